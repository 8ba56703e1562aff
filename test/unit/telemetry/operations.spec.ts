import { setTimeout } from 'node:timers/promises';
import { BackendMonitor } from '../../../src/engine/backend-monitor';
import { TaskChanges } from '../../../src/engine/task-changes';
import { StoreError } from '../../../src/ports/errors';
import { BackendRegistry } from '../../../src/ports/registries';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import { FreeDisk } from '../../../src/telemetry/free-disk';
import { GatewayMetrics } from '../../../src/telemetry/gateway-metrics';
import { type CheckAnswer, Readiness } from '../../../src/telemetry/readiness';
import { queuedTask } from '../../support/records';
import { ScriptedBackend } from '../../support/scripted-backend';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

async function start({ minFreeBytes = 0, audit }: { minFreeBytes?: number; audit?: CheckAnswer } = {}) {
  const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
  const backend = new ScriptedBackend();
  const backends = new BackendRegistry([backend]);
  const monitor = new BackendMonitor(backends, 60_000, Date.now, silent, {
    returned: () => Promise.resolve(),
    changed: () => undefined,
  });
  await Promise.all(backends.all.map((backend) => monitor.join(backend)));
  const disk = new FreeDisk({ directories: { work_dir: '/' }, minFreeBytes, everyMs: 60_000 }, () => undefined);
  await disk.look();
  const changes = new TaskChanges((error) => {
    throw error;
  });
  const scheduler = { jobs: async () => new Map([...(await store.used([backend.name]))].map(([name, { slots = 0 }]) => [name, slots])) };
  const kept = { used: () => new Map([['scripted', { workspaces: 2, bytes: 30 }]]) };
  const engine = { changes, monitor, loopErrors: 3, busy: () => new Map([['stage-in', 2]]), scheduler, kept };
  const metrics = new GatewayMetrics({ store, backends, engine, disk, version: '1.2.3' });
  return {
    store,
    backend,
    monitor,
    disk,
    changes,
    metrics,
    readiness: new Readiness(store, backends, monitor, { disk, ...(audit && { audit: { health: () => audit } }) }, scheduler),
  };
}

describe('readiness', () => {
  it('is ready when store, disk and backends are well', async () => {
    const { readiness, backend, store } = await start();
    expect(await readiness.look()).toEqual({
      status: 'ready',
      store: { ok: true, detail: 'reads and writes' },
      disk: { ok: true, detail: 'enough' },
      backends: { [backend.name]: { ok: true, detail: 'scripted', since: expect.stringMatching(/^\d{4}-.*Z$/), jobs: 0 } },
    });
    await store.close();
  });

  it('is degraded while the audit log is not written', async () => {
    const { readiness, store } = await start({ audit: { ok: false, detail: 'no space left' } });
    expect(await readiness.look()).toMatchObject({ status: 'degraded', audit: { ok: false, detail: 'no space left' } });
    await store.close();
  });

  it('says how many jobs each backend has, also to Prometheus', async () => {
    const { readiness, metrics, backend, store } = await start();
    for (const id of ['a', 'b']) await store.insert('{}', queuedTask({ id, state: 'RUNNING', step: 'run', backend: backend.name }));
    expect((await readiness.look()).backends[backend.name]).toMatchObject({ jobs: 2 });
    expect(await metrics.registry.metrics()).toContain('tes_gateway_backend_jobs{backend="scripted"} 2');
    await store.close();
  });

  it('is degraded, not unavailable, while a backend is away', async () => {
    const { readiness, backend, monitor, store } = await start();
    backend.healthy = { ok: false, detail: 'the daemon does not answer' };
    await monitor.ask();
    const answer = await readiness.look();
    expect(answer.status).toBe('degraded');
    expect(answer.backends[backend.name]).toMatchObject({ ok: false, detail: 'the daemon does not answer' });
    await store.close();
  });

  it('is degraded when the disk is nearly full, and says which setting decides', async () => {
    const { readiness, disk, store } = await start({ minFreeBytes: Number.MAX_SAFE_INTEGER });
    expect(disk.shortage()).toContain('limits.min_free_disk');
    expect(await readiness.look()).toMatchObject({ status: 'degraded', disk: { ok: false } });
    await store.close();
  });

  it('is unavailable when the store fails, with its public words only', async () => {
    const { readiness, store } = await start();
    jest
      .spyOn(store, 'ping')
      .mockRejectedValue(new StoreError('the store is damaged', { retryable: false, internal: 'page 7 of /secret/path' }));
    expect(await readiness.look()).toMatchObject({ status: 'unavailable', store: { ok: false, detail: 'the store is damaged' } });
    await store.close();
  });

  it('is unavailable once it stops', async () => {
    const { readiness, store } = await start();
    readiness.stop();
    expect(await readiness.look()).toMatchObject({ status: 'unavailable', store: { detail: 'the gateway is stopping' } });
    await store.close();
  });
});

describe('free disk', () => {
  it('keeps what it saw last when a directory cannot be asked, and says so', async () => {
    const errors: string[] = [];
    const directories = { data_dir: '/', work_dir: '/is-nowhere' };
    const disk = new FreeDisk({ directories, minFreeBytes: 1, everyMs: 5 }, (_line, fields) => errors.push(fields?.directory ?? ''));
    await disk.start();
    while (errors.length < 2) await setTimeout(5);
    await disk.stop();
    expect(errors).toContain('/is-nowhere');
    expect(disk.free.get('/')).toBeGreaterThan(1);
    expect(disk.shortage()).toBeUndefined();
  });

  it('names the directory that has too little, and says it once', async () => {
    const lines: string[] = [];
    const settings = { directories: { data_dir: '/proc', work_dir: '/' }, minFreeBytes: 1, everyMs: 60_000 };
    const disk = new FreeDisk(settings, (line) => lines.push(line));
    // A file system that never has room.
    await disk.look();
    await disk.look();
    expect(disk.shortage()).toBe('less than 1 bytes are free in data_dir (setting limits.min_free_disk)');
    expect(lines).toEqual([`${disk.shortage() ?? ''}: creates are answered 507`]);
    settings.minFreeBytes = 0;
    await disk.look();
    expect(lines.slice(1)).toEqual(['there is room again: creates are taken']);
  });
});

describe('metrics', () => {
  it('count tasks by state, changes, backends, disk and errors of the loops', async () => {
    const { metrics, store, changes, backend } = await start();
    const task = queuedTask();
    await store.insert('{}', task);
    changes.emit({ after: task, event: 'created' });
    changes.emit({ before: task, after: { ...task, state: 'INITIALIZING' }, event: 'assigned' });
    changes.emit({ before: { ...task, state: 'INITIALIZING' }, after: { ...task, state: 'INITIALIZING' }, event: 'submitted' });
    for (const event of ['deferred', 'deferred', 'retreated', 'submitted'] as const) {
      changes.emit({ before: { ...task, backend: 'far' }, after: { ...task, backend: 'far' }, event });
    }
    const text = await metrics.registry.metrics();
    for (const line of [
      'tes_gateway_attempt_troubles_total{backend="far",event="deferred"} 2',
      'tes_gateway_attempt_troubles_total{backend="far",event="retreated"} 1',
      'tes_gateway_tasks{state="QUEUED"} 1',
      'tes_gateway_tasks{state="COMPLETE"} 0',
      'tes_gateway_queue_length 1',
      'tes_gateway_task_state_changes_total{state="QUEUED"} 1',
      'tes_gateway_task_state_changes_total{state="INITIALIZING"} 1',
      `tes_gateway_backend_up{backend="${backend.name}"} 1`,
      'tes_gateway_loop_errors 3',
      'tes_gateway_loop_tasks{loop="stage-in"} 2',
      'tes_gateway_kept_workspaces{backend="scripted"} 2',
      'tes_gateway_kept_bytes{backend="scripted"} 30',
      'tes_gateway_info{version="1.2.3"} 1',
    ])
      expect(text).toContain(`${line}\n`);
    // At the first scrape, not at the one after.
    expect(text).toMatch(/^tes_gateway_queue_oldest_seconds [1-9]/m);
    expect(text).not.toContain('event="submitted"');
    expect(text).toMatch(/tes_gateway_disk_free_bytes{directory="\/"} \d+/);
    await store.close();
  });

  it('still answer, without stale numbers, while the store is away', async () => {
    const { metrics, store } = await start();
    await store.insert('{}', queuedTask());
    expect(await metrics.registry.metrics()).toContain('tes_gateway_tasks{state="QUEUED"} 1');
    jest.spyOn(store, 'counts').mockRejectedValue(new StoreError('away', { retryable: true }));
    const text = await metrics.registry.metrics();
    expect(text).not.toContain('tes_gateway_tasks{');
    expect(await metrics.registry.metrics()).toMatch(/tes_gateway_scrape_errors_total [1-9]/);
    await store.close();
  });

  it('time requests by route template, never by id', async () => {
    const { metrics, store } = await start();
    metrics.answered('GET', '/v1/tasks/:id', 200, 0.002);
    expect(await metrics.registry.metrics()).toContain(
      'tes_gateway_http_request_duration_seconds_count{method="GET",route="/v1/tasks/:id",status="200"} 1',
    );
    await store.close();
  });
});
