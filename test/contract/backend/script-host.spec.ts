import { join } from 'node:path';
import { HostBackend } from '../../../src/backends/shared/script/host-backend';
import type { ScriptSettings } from '../../../src/backends/shared/script/script.settings';
import { settingsSchema } from '../../../src/config/settings-schema';
import { describeEngine } from '../../system/engines';
import { DirectoryHost } from './directory-host';
import { describeLife } from './life.suite';
import { leftoversOf } from './local-backend.fixture';

/** That a host of the script backend needs no more than its interface says; what jobs are is shown through the hosts there are. */
describeEngine('bubblewrap', 'ScriptBackend over a directory', (engine) => {
  const settings: ScriptSettings = {
    name: 'directory',
    runtime: 'bubblewrap',
    network: 'default',
    slots: 20,
    drain: false,
    instance: 'contract',
    killGraceSeconds: 1,
    pidsLimit: 4000,
    capabilities: settingsSchema.local.capabilities.default,
    images: { allowed: [], map: {}, pull: 'missing' },
    environment: {},
    log: () => undefined,
  };
  const make = (workDir: string, killGraceSeconds = 1): HostBackend =>
    new HostBackend(new DirectoryHost(workDir, 'bubblewrap', engine().environment), { ...settings, killGraceSeconds });

  describeLife('directory', () => ({
    images: engine().images,
    usesImages: false,
    gatewaySecret: 'none',
    changedVariables: [],
    make: (workDir) => make(workDir),
    makePatient: (workDir) => make(workDir, 60),
    workspaceOf: (workDir, jobName) => join(workDir, jobName, 'workspace'),
    leftovers: (jobName) => leftoversOf(engine(), jobName),
  }));
});
