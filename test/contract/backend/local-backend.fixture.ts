import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalBackend } from '../../../src/backends/local/local.backend';
import type { LocalBackendSettings } from '../../../src/backends/local/local.settings';
import { settingsSchema } from '../../../src/config/settings-schema';
import type { Engine } from '../../system/engines';
import { type BackendUnderTest, JobDriver, makeWorkDirectory, processesOf, removeWorkDirectory } from './execution-backend.fixture';

const runFile = promisify(execFile);

/** In the environment of the container command; no job may ever see it. */
export const GATEWAY_SECRET = 'hidden-from-jobs';

/** Settings of a local backend over a real engine. */
export function localSettings(engine: Engine, workDir: string, changes: Partial<LocalBackendSettings> = {}): LocalBackendSettings {
  const { PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME = '/' } = process.env;
  return {
    name: 'local',
    runtime: engine.name,
    network: 'default',
    drain: false,
    workDir,
    instance: 'contract',
    killGraceSeconds: 1,
    // Room for a crowd.
    pidsLimit: 4000,
    capabilities: settingsSchema.local.capabilities.default,
    keepWorkspace: 'never',
    kept: { bytes: Infinity },
    images: { allowed: engine.imagesDirectory === undefined ? [] : [engine.imagesDirectory], map: {}, pull: 'missing' },
    environment: { PATH, HOME, HTTPS_PROXY: `http://user:${GATEWAY_SECRET}@127.0.0.1:9`, ...engine.env },
    log: () => undefined,
    ...changes,
  };
}

export function localUnderTest(engine: () => Engine, changes: Partial<LocalBackendSettings> = {}): () => BackendUnderTest {
  return () => {
    const { name, images } = engine();
    return {
      images,
      usesImages: name !== 'bubblewrap',
      gatewaySecret: GATEWAY_SECRET,
      changedVariables: name === 'apptainer' ? ['LD_LIBRARY_PATH'] : [],
      make: (workDir) => new LocalBackend(localSettings(engine(), workDir, changes)),
      makePatient: (workDir) => new LocalBackend(localSettings(engine(), workDir, { ...changes, killGraceSeconds: 60 })),
      workspaceOf: (workDir, jobName) => join(workDir, 'jobs', jobName),
      leftovers: (jobName) => leftoversOf(engine(), jobName),
    };
  };
}

/** Drivers of local backends over one work directory, whose settings may differ; every job is cleaned after its test. */
export function localDrivers(name: string, engine: () => Engine): LocalDrivers {
  const drivers: JobDriver[] = [];
  let workDir = '';
  beforeAll(async () => {
    workDir = await makeWorkDirectory(name);
  });
  afterEach(async () => {
    for (const each of drivers) await each.cleanAll();
  });
  afterAll(async () => {
    for (const each of drivers) await each.backend.close?.();
    await removeWorkDirectory(workDir);
  });
  return {
    workDir: () => workDir,
    driverWith: async (changes = {}) => {
      const backend = new LocalBackend(localSettings(engine(), workDir, changes));
      await backend.start(new AbortController().signal);
      const made = new JobDriver(backend, engine().images);
      drivers.push(made);
      return made;
    },
  };
}

export interface LocalDrivers {
  workDir(): string;
  driverWith(changes?: Partial<LocalBackendSettings>): Promise<JobDriver>;
}

/** Processes and containers of this machine that still belong to the job. */
export async function leftoversOf({ name, env }: Engine, jobName: string): Promise<readonly string[]> {
  const found = [...(await processesOf(jobName))];
  if (name === 'docker' || name === 'podman') {
    const { stdout } = await runFile(name, ['ps', '-a', '-q', '--filter', `label=tes-gateway.job=${jobName}`], {
      env: { ...process.env, ...env },
    });
    found.push(...stdout.split('\n').filter(Boolean));
  }
  return found;
}
