import { PulsarBackend } from '../../../src/backends/pulsar/pulsar.backend';
import type { PulsarBackendSettings } from '../../../src/backends/pulsar/pulsar.settings';
import { settingsSchema } from '../../../src/config/settings-schema';
import type { Engine } from '../../system/engines';
import type { OwnPulsar } from '../../system/pulsar/pulsar';
import { leftoversOf } from './local-backend.fixture';
import type { BackendUnderTest } from './execution-backend.fixture';
import { PulsarWithWorkerData } from './pulsar-worker-data';

/** In the environment of the container command on the worker; no job may ever see it. */
const WORKER_SECRET = 'hidden-from-jobs';

export function pulsarSettings(pulsar: OwnPulsar, engine: Engine, changes: Partial<PulsarBackendSettings> = {}): PulsarBackendSettings {
  return {
    name: 'pulsar',
    ...(pulsar.url !== '' && { url: pulsar.url }),
    ...(pulsar.broker && { amqpUrl: pulsar.broker.url }),
    ...(pulsar.broker?.prefix !== undefined && { amqpKeyPrefix: pulsar.broker.prefix }),
    ...(pulsar.manager !== undefined && { manager: pulsar.manager }),
    token: pulsar.url === '' ? '' : pulsar.token,
    runtime: engine.name,
    network: 'default',
    slots: 20,
    drain: false,
    instance: 'contract',
    killGraceSeconds: 1,
    // Room for a crowd.
    pidsLimit: 4000,
    capabilities: settingsSchema.local.capabilities.default,
    images: { allowed: engine.imagesDirectory === undefined ? [] : [engine.imagesDirectory], map: {}, pull: 'missing' },
    environment: { HTTPS_PROXY: `http://user:${WORKER_SECRET}@127.0.0.1:9`, ...engine.env },
    log: () => undefined,
    ...changes,
  };
}

const made = new Set<PulsarBackend>();

function madeOf(pulsar: OwnPulsar, settings: PulsarBackendSettings): PulsarBackend {
  const backend = settings.stager ? new PulsarWithWorkerData(settings, pulsar.staging) : new PulsarBackend(settings);
  made.add(backend);
  return backend;
}

/** Backends that a suite made as a restarted gateway would, and left: their connections to a broker would go on. */
export async function closeAll(): Promise<void> {
  await Promise.all([...made].map((backend) => backend.close()));
  made.clear();
}

/** A Pulsar on this machine: its files and processes can be looked at, which the backend itself never does. */
export function pulsarUnderTest(
  pulsar: () => OwnPulsar,
  engine: () => Engine,
  changes: () => Partial<PulsarBackendSettings> = () => ({}),
): () => BackendUnderTest {
  return () => ({
    images: engine().images,
    usesImages: engine().name !== 'bubblewrap',
    gatewaySecret: WORKER_SECRET,
    changedVariables: engine().name === 'apptainer' ? ['LD_LIBRARY_PATH'] : [],
    make: () => madeOf(pulsar(), pulsarSettings(pulsar(), engine(), changes())),
    makePatient: () => madeOf(pulsar(), pulsarSettings(pulsar(), engine(), { ...changes(), killGraceSeconds: 60 })),
    workspaceOf: (_workDir, jobName) => `${pulsar().staging}/${jobName}/metadata/tes`,
    leftovers: (jobName) => leftoversOf(engine(), jobName),
  });
}
