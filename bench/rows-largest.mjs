// What the largest tasks cost that the limits allow: the CPU of one create without the store, up to the plan of its job.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LARGEST, largest } from '../test/support/largest-tasks.ts';
import { round } from './figures.mjs';

const MOST_MS = 50;
const RUNS = 30;

export function largestTasks(bench) {
  if (!bench.wants('largest')) return;
  const built = (name) => createRequire(bench.main)(join(dirname(bench.main), name));
  const { TaskAdmission } = built('engine/task-admission.js');
  const { readTask } = built('api/tasks/task-document.js');
  const { BackendRegistry, StorageRegistry } = built('ports/registries.js');
  const { FileStorage } = built('storage/file/file.storage.js');
  const { httpStorage } = built('storage/http/http.adapter.js');
  const { HttpStorage } = built('storage/http/http.storage.js');
  const { refusalsOf } = built('backends/shared/runtimes/refusals.js');
  const { manifest } = built('backends/shared/job-manifest.js');
  const { layoutOf } = built('backends/shared/layout.js');
  const { mountPlan } = built('backends/shared/mount-plan.js');
  const { loadSettings } = built('config/settings.js');
  const { admissionSettings } = built('settings-slices.js');
  const { adapters } = built('adapters.js');

  const settings = loadSettings({ files: [], env: {}, argv: [] }, adapters);
  const storage = new StorageRegistry([
    new FileStorage({ allowed: ['/data'], instance: 'bench' }),
    new HttpStorage(httpStorage.here(settings.storage.http, 'bench')),
  ]);
  const backend = {
    name: 'bench',
    capabilities: () => ({ parameterKeys: [], capacity: { cpuCores: 4, ramGb: 8 } }),
    check: (request) => refusalsOf('podman', request),
  };
  const admission = new TaskAdmission(new BackendRegistry([backend]), storage, admissionSettings(settings));
  const context = {
    ...{ runtime: 'podman', instance: 'bench', network: 'default', layout: layoutOf('/w/jobs/tes-a-1'), mark: '/w/cancelled/tes-a-1' },
    ...{ killGraceSeconds: 10, pidsLimit: 4096, machineCores: 4, asRoot: true, cgroups: [], overlay: true, imagesDirectory: '/w/images' },
    ...{ capabilities: settings.local.capabilities, selinux: false },
    ...{ knownImages: new Map(), readHost: () => [], readTree: () => new Set() },
    hostView: { etcCopy: '/w/etc', closedList: '/w/closed', isKept: true },
  };
  const create = (body) => {
    const { request, needs } = admission.admit(readTask(body));
    const job = { name: 'tes-a-1', taskId: 'a', attempt: 1, owner: { key: 'bench' }, request, needs, tailBytes: 16384 };
    manifest(job, mountPlan(request), { ...context, images: request.executors.map(() => ({ kind: 'none' })) });
  };
  const costs = Object.keys(LARGEST).map((kind) => {
    const body = largest(kind);
    let best = Infinity;
    for (let run = 0; run < RUNS; run++) {
      const from = process.cpuUsage();
      create(body);
      const { user, system } = process.cpuUsage(from);
      best = Math.min(best, (user + system) / 1000);
    }
    return { kind, ms: round(best) };
  });
  bench.row({
    row: 'largest',
    what: 'largest task of each kind, CPU of its create and plan',
    target: `<= ${MOST_MS} ms`,
    shown: costs.map(({ kind, ms }) => `${kind} ${ms} ms`).join(', '),
    funnel: '-',
    pass: costs.every(({ ms }) => ms <= MOST_MS),
    figures: { costs },
  });
}
