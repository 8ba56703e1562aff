import type { BackendAdapter, BackendContext, BackendEntry, ValuesOf } from '../../ports/adapter';
import { RUNTIME_NAMES, type RuntimeName } from '../shared/runtimes/runtime';
import { SCRIPT_ENTRY } from '../shared/script-entry';
import { COMMAND_ENVIRONMENT, type LocalBackendSettings } from './local.settings';

const settings = {
  ...SCRIPT_ENTRY,
  runtime: {
    doc: '`auto` takes docker if its daemon answers, else podman, else apptainer; bubblewrap only when it is named',
    format: ['auto', ...RUNTIME_NAMES],
    default: 'auto' as 'auto' | RuntimeName,
  },
};
type Values = ValuesOf<typeof settings>;

/** This machine itself. */
export const localBackend: BackendAdapter<Values> = {
  type: 'local',
  doc: 'this machine',
  isRemote: false,
  settings,
  async create(entry, context) {
    const { LocalBackend } = await import('./local.backend.js');
    return new LocalBackend(localSettings(entry, context));
  },
};

export function localSettings(entry: BackendEntry & Values, context: BackendContext): LocalBackendSettings {
  const { name, runtime, network, cpus, ram_gb: ramGb, disk_gb: diskGb, gpus, drain } = entry;
  const { workDir, instance, images, jobs, logins, log } = context;
  return {
    name,
    runtime,
    network,
    ...(cpus !== undefined && { cpus }),
    ...(ramGb !== undefined && { ramGb }),
    ...(diskGb !== undefined && { diskGb }),
    ...(gpus !== undefined && { gpus }),
    drain,
    workDir,
    instance,
    ...jobs,
    images,
    ...(logins && { logins }),
    environment: Object.fromEntries(
      COMMAND_ENVIRONMENT.flatMap((variable) => {
        const value = context.environment[variable];
        return value === undefined ? [] : [[variable, value]];
      }),
    ),
    log,
  };
}
