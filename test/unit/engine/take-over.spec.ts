import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { jobName, type TaskRecord } from '../../../src/task/task-record';
import { declareBackendGone } from '../../../src/operator/declare-gone';
import { Conflict } from '../../../src/ports/errors';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import { type Script, ScriptedWorld } from '../../support/scripted-backend';

const NEVER_MS = 3_600_000;
const LOCAL: Script = { capabilities: { boundToInstance: true, pollMs: { first: NEVER_MS, longest: NEVER_MS } } };

describe('the embedded store under another name of its gateway', () => {
  let store: TaskStore;
  let bench: EngineBench;
  beforeEach(async () => {
    store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: NEVER_MS });
  });
  afterEach(() => bench.stop());

  const start = async (instance: string, world: ScriptedWorld, settings = {}): Promise<EngineBench> =>
    (bench = await EngineBench.on(store, LOCAL, { instance, ...settings }, {}, world));
  const running = async (): Promise<TaskRecord> => {
    const id = await bench.create();
    return bench.until(id, ({ step }) => step === 'run');
  };

  it('goes on with the jobs that are here, and with those being cancelled', async () => {
    const { world } = await start('old', new ScriptedWorld());
    const [goesOn, cancelled] = [await running(), await running()];
    await bench.engine.stop(0);
    await bench.service.cancel(AnonymousPrincipal, cancelled.id);
    await start('new', world);
    expect(await bench.task(goesOn.id)).toMatchObject({ boundTo: 'new', attempt: 1, step: 'run' });
    expect((await bench.done(cancelled.id)).state).toBe('CANCELED');
    bench.backend.finish(goesOn.id, 1);
    expect(await bench.done(goesOn.id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
    expect(world.started).toHaveLength(2);
    expect([...(await store.used(['scripted@old', 'scripted@new'])).values()].filter(({ slots = 0 }) => slots > 0)).toEqual([]);
  });

  it('begins anew what is not here, as on another machine, also in the last attempt, and says so', async () => {
    await start('old', new ScriptedWorld());
    const { id } = await running();
    await bench.engine.stop(0);
    await start('new', new ScriptedWorld(), {
      retry: { attempts: 1, firstDelayMs: 10, longestDelayMs: 20, patienceMs: 50, storagePatienceMs: 60_000, outputPatienceMs: 60_000 },
    });
    expect(await bench.until(id, ({ step, attempt }) => step === 'run' && attempt === 2)).toMatchObject({ boundTo: 'new' });
    expect(bench.world.started).toEqual([jobName(id, 2)]);
    expect((await bench.full(id)).logs?.[0]?.system_logs?.[0]).toContain('gateway old, which had begun the job, is gone');
  });

  it('gives nothing up while the jobs that are here cannot be listed', async () => {
    const { world } = await start('old', new ScriptedWorld());
    const { id } = await running();
    await bench.engine.stop(0);
    const onCall: Script['onCall'] = (verb) => (verb === 'list' ? 'away' : undefined);
    bench = await EngineBench.on(store, { ...LOCAL, onCall }, { instance: 'new' }, {}, world);
    expect(await bench.task(id)).toMatchObject({ boundTo: 'new', attempt: 1, step: 'run' });
  });
});

describe('a backend that an operator declares gone', () => {
  let bench: EngineBench;
  afterEach(() => bench.stop());

  it('is waited for no longer: tasks go on elsewhere, those being cancelled are CANCELED, and each is asked once', async () => {
    const [old, other] = [new ScriptedWorld(), new ScriptedWorld()];
    const scripts: Script[] = [
      { world: old, onCall: (verb) => (verb === 'cancel' ? 'away' : undefined), capacity: { cpuCores: 3, ramGb: 3 } },
      { world: other, capacity: { cpuCores: 1, ramGb: 1 }, capabilities: { draining: true } },
    ];
    bench = await EngineBench.on(await SqliteTaskStore.open({ path: ':memory:', maxDueMs: NEVER_MS }), scripts);
    const ids = [await bench.create(), await bench.create()];
    const waits = await bench.create({ ...REQUEST, resources: { backend_parameters: { backend: 'scripted' }, cpu_cores: 2 } });
    for (const id of ids) await bench.until(id, ({ step }) => step === 'run');
    await bench.service.cancel(AnonymousPrincipal, ids[1] as string);
    await bench.until(ids[1] as string, ({ trouble }) => trouble !== undefined);
    await bench.engine.stop(0);
    // Whoever goes on giving it the same tasks does not keep the command busy.
    const list = jest.spyOn(bench.store, 'listOnBackend');
    const changed = await declareBackendGone(bench.store, bench.engine.writer, 'scripted', false);
    expect(changed.map(({ state }) => state).sort()).toEqual(['CANCELED', 'QUEUED']);
    expect((await bench.task(ids[0] as string)).attempts[0]?.systemLogs.at(-1)).toBe(
      'backend scripted, which had the job, was declared gone by an operator',
    );
    expect((await bench.task(waits)).state).toBe('QUEUED');
    expect((await bench.store.used(['scripted'])).get('scripted')?.slots ?? 0).toBe(0);
    list.mockResolvedValue(changed);
    expect(await declareBackendGone(bench.store, bench.engine.writer, 'scripted', false)).toEqual([]);
    jest.spyOn(bench.store, 'published').mockResolvedValue(new Map([['b', bench.engine.known.all()]]));
    await expect(declareBackendGone(bench.store, bench.engine.writer, 'scripted', false)).rejects.toBeInstanceOf(Conflict);
  });
});
