import { Engine } from '../../../src/engine/engine';
import { LogReader } from '../../../src/engine/log-reader';
import { TaskAdmission } from '../../../src/engine/task-admission';
import { taskId } from '../../../src/engine/task-id';
import { TaskService, type TaskServiceSettings } from '../../../src/engine/task.service';
import type { EngineSettings } from '../../../src/engine/engine-settings';
import { BackendError, TransferError } from '../../../src/ports/errors';
import { BackendRegistry, StorageRegistry } from '../../../src/ports/registries';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import { jobName, type TaskRecord } from '../../../src/task/task-record';
import type { TesState, TesTask, TesTaskRequest } from '../../../src/task/tes';
import { MemoryStorage } from '../../engine/memory-storage';
import { AnonymousPrincipal } from '../../engine/principals';
import { type Script, ScriptedBackend, ScriptedWorld } from '../../engine/scripted-backend';
import { ADMISSION, ENGINE, SERVICE, SILENT } from '../../engine/settings';

const REQUEST: TesTaskRequest = { executors: [{ image: 'i', command: ['c'] }] };
const STAGED: TesTaskRequest = {
  ...REQUEST,
  inputs: [{ url: 'mem://in', path: '/in', type: 'FILE' }],
  outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }],
};

/** The whole engine with a scripted backend, memory storage and a real store, and ways to wait for what it does. */
class Bench {
  readonly world = new ScriptedWorld();
  readonly storage = new MemoryStorage();
  readonly backends: readonly ScriptedBackend[];
  readonly backend: ScriptedBackend;
  readonly engine: Engine;
  readonly service: TaskService;
  readonly logs: LogReader;
  private serial = 0;

  private constructor(
    readonly store: SqliteTaskStore,
    scripts: readonly Script[],
    settings: Partial<EngineSettings>,
    serviceSettings: Partial<TaskServiceSettings>,
  ) {
    this.storage.objects.set('mem://in', 'input');
    this.backends = scripts.map((script, index) => new ScriptedBackend(this.world, script, `scripted${index || ''}`));
    this.backend = this.backends[0] as ScriptedBackend;
    const backends = new BackendRegistry(this.backends);
    const storage = new StorageRegistry([this.storage]);
    const now = (): number => Date.now();
    const all = { ...ENGINE, ...settings };
    this.engine = new Engine({ store, backends, storage, settings: all, log: SILENT, now, random: () => 0.01 });
    this.service = new TaskService(store, this.engine.writer, new TaskAdmission(backends, storage, ADMISSION), this.engine.scheduler, {
      settings: { ...SERVICE, ...serviceSettings },
      now,
      newId: () => taskId(++this.serial, new Uint8Array(10)),
      diskGuard: () => undefined,
    });
    this.logs = new LogReader(this.service, store, backends, this.engine.events, 20);
  }

  static async start(
    script: Script | readonly Script[] = {},
    settings: Partial<EngineSettings> = {},
    service: Partial<TaskServiceSettings> = {},
  ): Promise<Bench> {
    const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
    const bench = new Bench(store, Array.isArray(script) ? (script as readonly Script[]) : [script as Script], settings, service);
    await bench.engine.start();
    return bench;
  }

  create(request: TesTaskRequest = REQUEST): Promise<string> {
    return this.service.create(AnonymousPrincipal, request, { basePath: '/v1' });
  }

  async task(id: string): Promise<TaskRecord> {
    const task = await this.store.getTask(id);
    if (!task) throw new Error(`no task ${id}`);
    return task;
  }

  async full(id: string): Promise<TesTask> {
    return JSON.parse(await this.service.get(AnonymousPrincipal, id, 'FULL')) as TesTask;
  }

  /** Waits until the record satisfies the condition; the test's own time limit ends it otherwise. */
  async until(id: string, condition: (task: TaskRecord) => boolean): Promise<TaskRecord> {
    for (;;) {
      const task = await this.task(id);
      if (condition(task)) return task;
      await new Promise<void>((resolve) => {
        const stop = this.engine.events.listen(({ after }) => {
          if (after.id !== id) return;
          stop();
          resolve();
        });
        // A change between the read and the listening would be missed.
        setTimeout(() => {
          stop();
          resolve();
        }, 20);
      });
    }
  }
  state(id: string, state: TesState): Promise<TaskRecord> {
    return this.until(id, (task) => task.state === state);
  }
  done(id: string): Promise<TaskRecord> {
    return this.until(id, (task) => task.step === 'done');
  }

  async stop(): Promise<void> {
    await this.engine.stop(0);
    await this.store.close();
  }
}

let bench: Bench;
async function start(...given: Parameters<typeof Bench.start>): Promise<Bench> {
  bench = await Bench.start(...given);
  return bench;
}
afterEach(() => bench.stop());

describe('the engine', () => {
  it('carries a task from create to COMPLETE, with its outputs stored and nothing left on the backend', async () => {
    const { world, storage } = await start();
    const id = await bench.create(STAGED);
    await bench.state(id, 'RUNNING');
    expect(world.jobs.get(jobName(id, 1))?.files.get('/in')).toBe('input');
    world.jobs.get(jobName(id, 1))?.files.set('/out', 'output');
    bench.backend.finish(id, 1);
    const done = await bench.done(id);
    expect(done.state).toBe('COMPLETE');
    expect(storage.objects.get('mem://out')).toBe('output');
    expect(done.attempts[0]?.outputs).toEqual([{ url: 'mem://out', path: '/out', sizeBytes: 6 }]);
    expect(world.jobs.size).toBe(0);
    expect(await bench.store.reservations('scripted')).toEqual([]);
  });

  it('does not fail a task because its output is missing', async () => {
    await start({ life: () => ({ looks: 0, ending: { phase: 'succeeded' } }) });
    const id = await bench.create(STAGED);
    expect((await bench.done(id)).state).toBe('COMPLETE');
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain('/out');
  });

  it('says EXECUTOR_ERROR for an executor that failed, and never tries it again', async () => {
    const { world } = await start({ life: () => ({ looks: 0, ending: { phase: 'failed', exitCodes: [3] } }) });
    const id = await bench.create();
    expect(await bench.done(id)).toMatchObject({ state: 'EXECUTOR_ERROR', attempt: 1 });
    expect((await bench.full(id)).logs?.[0]?.logs).toMatchObject([{ exit_code: 3 }]);
    expect(world.started).toHaveLength(1);
  });

  it.each(['lost', 'preempted', 'system-error'] as const)(
    'tries a job that was %s again, and says SYSTEM_ERROR with the reason when attempts run out',
    async (phase) => {
      const { world } = await start({ life: () => ({ looks: 0, ending: { phase } }) });
      const id = await bench.create();
      expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR', attempt: 3 });
      expect(world.started).toEqual([1, 2, 3].map((attempt) => jobName(id, attempt)));
      const [log] = (await bench.full(id)).logs ?? [];
      expect(log?.system_logs?.at(-1)).toMatch(/lost|preempted|the node went away/);
    },
  );

  it('fails a task whose input does not exist at once, naming it', async () => {
    await start();
    const id = await bench.create({ ...REQUEST, inputs: [{ url: 'mem://none', path: '/in', type: 'FILE' }] });
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR', attempt: 1 });
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain('mem://none');
  });

  it('keeps EXECUTOR_ERROR when the outputs of a failed executor cannot be stored', async () => {
    await start({ life: () => ({ looks: 0, ending: { phase: 'failed' } }) });
    bench.storage.onCall = (verb, url) => {
      if (verb === 'write') throw new TransferError(`${url} cannot be written`, { retryable: false });
    };
    const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] });
    await bench.until(id, (task) => task.attempt === 1);
    bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'x');
    expect((await bench.done(id)).state).toBe('EXECUTOR_ERROR');
  });

  it('waits for a backend that is away, without using up attempts, and says so', async () => {
    let away = true;
    await start({
      onCall: (verb) => (verb === 'observe' && away ? 'before' : undefined),
      life: () => ({ looks: 0, ending: { phase: 'succeeded' } }),
    });
    const id = await bench.create();
    const waiting = await bench.until(id, (task) => (task.trouble?.count ?? 0) >= 3);
    expect(waiting).toMatchObject({ state: 'INITIALIZING', attempt: 1 });
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain('connection refused');
    away = false;
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
  });

  it('finds the job it made when the answer to the submit was lost', async () => {
    let lose = true;
    const { world } = await start({
      onCall: (verb) => {
        if (verb !== 'submit' || !lose) return undefined;
        lose = false;
        return 'after';
      },
      life: () => ({ looks: 0, ending: { phase: 'succeeded' } }),
    });
    const id = await bench.create();
    expect((await bench.done(id)).state).toBe('COMPLETE');
    expect(world.started).toEqual([...new Set(world.started)]);
    expect(world.jobs.size).toBe(0);
  });
});

describe('a nudge', () => {
  it('that comes before the job is known as handed over is followed as soon as it is', async () => {
    await start(
      {
        // The job ends, and says so, inside the submit that started it.
        onStart: (name) => bench.backend.finish(name.split('-')[1] ?? '', 1),
        capabilities: { pollMs: { first: 3_600_000, longest: 3_600_000 } },
      },
      { tickMs: 3_600_000 },
    );
    const id = await bench.create();
    expect((await bench.done(id)).state).toBe('COMPLETE');
  });
});

describe('cancel', () => {
  it('ends a running job before it says CANCELED', async () => {
    const { world } = await start();
    const id = await bench.create();
    await bench.state(id, 'RUNNING');
    await bench.service.cancel(AnonymousPrincipal, id);
    expect((await bench.done(id)).state).toBe('CANCELED');
    expect(world.marks).toContain(jobName(id, 1));
    expect(world.jobs.size).toBe(0);
  });

  it('stays CANCELING while the backend cannot confirm, and says why', async () => {
    let away = true;
    await start({ onCall: (verb) => (verb === 'cancel' && away ? 'before' : undefined) });
    const id = await bench.create();
    await bench.state(id, 'RUNNING');
    await bench.service.cancel(AnonymousPrincipal, id);
    const stuck = await bench.until(id, (task) => (task.trouble?.count ?? 0) >= 2);
    expect(stuck.state).toBe('CANCELING');
    expect(await bench.service.explain(AnonymousPrincipal, id)).toMatchObject({ waiting: ['connection refused'] });
    away = false;
    expect((await bench.done(id)).state).toBe('CANCELED');
  });

  it('stops a transfer under way, and its job never starts', async () => {
    const { storage, world } = await start();
    let begun: () => void;
    const reading = new Promise<void>((resolve) => {
      begun = resolve;
    });
    storage.read = async (_url, _options?: unknown, signal?: AbortSignal) => {
      begun();
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    };
    const id = await bench.create(STAGED);
    await reading;
    await bench.service.cancel(AnonymousPrincipal, id);
    expect((await bench.done(id)).state).toBe('CANCELED');
    expect(world.started).toEqual([]);
  });

  it('cancels a QUEUED task at once and does nothing to one that has ended', async () => {
    await start({ capacity: { cpuCores: 1, ramGb: 1 } });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const second = await bench.create();
    await bench.service.cancel(AnonymousPrincipal, second);
    expect((await bench.task(second)).state).toBe('CANCELED');
    bench.backend.finish(first, 1);
    const ended = await bench.done(first);
    await bench.service.cancel(AnonymousPrincipal, first);
    expect(await bench.task(first)).toEqual(ended);
  });
});

describe('the queue', () => {
  it('holds tasks back until they fit, lets a small one pass, and says why the other waits', async () => {
    await start({ capacity: { cpuCores: 2, ramGb: 8 } });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const big = await bench.create({ ...REQUEST, resources: { cpu_cores: 2 } });
    const small = await bench.create();
    await bench.state(small, 'RUNNING');
    expect((await bench.full(big)).logs?.[0]?.system_logs).toEqual([
      'waiting: backend scripted: the task needs 2 CPU cores, 0 of 2 are free',
    ]);
    bench.backend.finish(first, 1);
    bench.backend.finish(small, 1);
    await bench.state(big, 'RUNNING');
  });

  it('keeps a backend free for a big task that has waited too long', async () => {
    await start({ capacity: { cpuCores: 2, ramGb: 8 } }, { bigTaskWaitMs: 0 });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const big = await bench.create({ ...REQUEST, resources: { cpu_cores: 2 } });
    const small = await bench.create();
    expect((await bench.full(small)).logs?.[0]?.system_logs?.join()).toContain('kept free for a big task');
    bench.backend.finish(first, 1);
    await bench.state(big, 'RUNNING');
    expect((await bench.task(small)).state).toBe('QUEUED');
    bench.backend.finish(big, 1);
    await bench.state(small, 'RUNNING');
  });

  it('is not blocked by any number of tasks for a backend that is full', async () => {
    const one = { capacity: { cpuCores: 1, ramGb: 100 } };
    await start([one, one]);
    const wish = { ...REQUEST, resources: { backend_parameters: { backend: 'scripted' } } };
    const wanting = await Promise.all(Array.from({ length: 100 }, () => bench.create(wish)));
    const other = await bench.create();
    expect(await bench.state(other, 'RUNNING')).toMatchObject({ backend: 'scripted1' });
    expect((await bench.store.counts()).QUEUED).toBe(wanting.length - 1);
  });

  it('takes no more than limits.max_queued', async () => {
    await start({ capacity: { cpuCores: 1, ramGb: 1 } }, {}, { maxQueued: 1 });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    await bench.create();
    await expect(bench.create()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 30 });
  });

  it('gives a task to nobody while its backend is away', async () => {
    await start();
    bench.backend.healthy = { ok: false, detail: 'no daemon' };
    await bench.engine.monitor.ask();
    const id = await bench.create();
    expect((await bench.full(id)).logs?.[0]?.system_logs).toEqual(['waiting: backend scripted: it is away (no daemon)']);
    bench.backend.healthy = { ok: true, detail: 'back' };
    await bench.engine.monitor.ask();
    await bench.state(id, 'RUNNING');
  });
});

describe('create', () => {
  it('is one task when the same body comes again on another base path while the first is being stored', async () => {
    await start();
    const [first, second, third] = await Promise.all([
      bench.service.create(AnonymousPrincipal, REQUEST, { basePath: '/ga4gh/tes/v1' }),
      bench.service.create(AnonymousPrincipal, REQUEST, { basePath: '/v1' }),
      bench.service.create(AnonymousPrincipal, REQUEST, { basePath: '/ga4gh/tes/v1' }),
    ]);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('answers the same id for the same Idempotency-Key and body, and refuses another body', async () => {
    await start();
    const options = { basePath: '/v1', idempotencyKey: 'k' };
    const first = await bench.service.create(AnonymousPrincipal, REQUEST, options);
    expect(await bench.service.create(AnonymousPrincipal, REQUEST, options)).toBe(first);
    const reordered = { tags: { b: '1', a: '2' }, ...REQUEST };
    const other = { ...options, idempotencyKey: 'l' };
    const second = await bench.service.create(AnonymousPrincipal, reordered, other);
    expect(await bench.service.create(AnonymousPrincipal, { ...REQUEST, tags: { a: '2', b: '1' } }, other)).toBe(second);
    await expect(bench.service.create(AnonymousPrincipal, { ...REQUEST, name: 'x' }, options)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('drops backend parameters that no backend knows, with a line, and refuses them when strict', async () => {
    await start();
    const resources = { backend_parameters: { VmSize: 'big', Queue: 'q' } };
    const id = await bench.create({ ...REQUEST, resources });
    const full = await bench.full(id);
    expect(full.resources?.backend_parameters).toEqual({ Queue: 'q' });
    expect(full.logs?.[0]?.system_logs?.join()).toContain('vmsize');
    await expect(bench.create({ ...REQUEST, resources: { ...resources, backend_parameters_strict: true } })).rejects.toMatchObject({
      code: 'INVALID_TASK',
    });
  });

  it('cuts a request that is larger than every backend down to the largest, with a line', async () => {
    await start({ capacity: { cpuCores: 2, ramGb: 8 } });
    const id = await bench.create({ ...REQUEST, resources: { cpu_cores: 64, ram_gb: 1 } });
    expect((await bench.state(id, 'RUNNING')).needs.cpuCores).toBe(2);
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain('64 CPU cores were asked for');
  });

  it('takes nothing while the gateway is stopping', async () => {
    await start();
    bench.service.stopTaking();
    await expect(bench.create()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('housekeeping', () => {
  it('ends jobs that no task knows, and leaves those of live tasks alone', async () => {
    const { world } = await start();
    const id = await bench.create();
    await bench.state(id, 'RUNNING');
    const orphan = jobName(taskId(9, new Uint8Array(10)), 1);
    world.jobs.set(orphan, { name: orphan, starts: 1, state: 'running', looksLeft: 9, files: new Map() });
    world.jobs.set('not-ours', { name: 'not-ours', starts: 1, state: 'running', looksLeft: 9, files: new Map() });
    await bench.engine.housekeeping.once();
    expect([...world.jobs.keys()].sort()).toEqual([jobName(id, 1), 'not-ours'].sort());
  });

  it('ends nothing when the store cannot be read', async () => {
    const { world, store } = await start();
    const orphan = jobName(taskId(9, new Uint8Array(10)), 1);
    world.jobs.set(orphan, { name: orphan, starts: 1, state: 'running', looksLeft: 9, files: new Map() });
    jest.spyOn(store, 'liveAmong').mockRejectedValue(new BackendError('away', { retryable: true }));
    await bench.engine.housekeeping.once();
    expect(world.jobs.has(orphan)).toBe(true);
  });

  it('deletes finished tasks past their retention and nothing else', async () => {
    await start({ capacity: { cpuCores: 1, ramGb: 1 } }, { retentionMs: 0 });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const second = await bench.create();
    bench.backend.finish(first, 1);
    await bench.done(first);
    await bench.state(second, 'RUNNING');
    // Ended "before now" needs a later now.
    await bench.until(second, () => bench.store.now() > Date.now() - 1);
    await bench.engine.housekeeping.once();
    await expect(bench.service.get(AnonymousPrincipal, first, 'MINIMAL')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect(await bench.service.get(AnonymousPrincipal, second, 'MINIMAL')).toContain('RUNNING');
  });
});

describe('executor logs', () => {
  async function read(id: string, request: { offset?: number; follow?: boolean; executor?: number } = {}): Promise<string> {
    const all = { executor: 0, stream: 'stdout' as const, offset: 0, follow: false, ...request };
    const chunks: Uint8Array[] = [];
    for await (const chunk of await bench.logs.open(AnonymousPrincipal, id, all, AbortSignal.timeout(10_000))) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  it('are read while the executor runs, followed to their end, and from the record afterwards', async () => {
    const { world } = await start();
    const id = await bench.create();
    await bench.state(id, 'RUNNING');
    const files = world.jobs.get(jobName(id, 1))?.files;
    files?.set('@stdout', 'one ');
    expect(await read(id)).toBe('one ');
    const following = read(id, { follow: true });
    files?.set('@stdout', 'one two');
    bench.backend.finish(id, 1);
    await bench.done(id);
    expect(await following).toMatch(/^one/);
    expect(await read(id)).toBe('out');
    expect(await read(id, { offset: 1 })).toBe('ut');
  });

  it('of an executor that the task does not have are refused', async () => {
    await start();
    const id = await bench.create();
    await expect(read(id, { executor: 1 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});
