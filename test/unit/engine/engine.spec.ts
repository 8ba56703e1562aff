import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import { ENGINE } from '../../support/settings';
import type { EngineSettings } from '../../../src/engine/engine-settings';
import { taskId } from '../../../src/engine/task-id';
import { BackendError, StoreError, TransferError } from '../../../src/ports/errors';
import { jobName } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';
import { NOTHING } from '../../../src/task/amounts';

const STAGED: TesTaskRequest = {
  ...REQUEST,
  inputs: [{ url: 'mem://in', path: '/in', type: 'FILE' }],
  outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }],
};

let bench: EngineBench;
async function start(...given: Parameters<typeof EngineBench.start>): Promise<EngineBench> {
  bench = await EngineBench.start(...given);
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
    expect(await bench.store.used(['scripted'])).toEqual(new Map([['scripted', NOTHING]]));
  });

  it('ends a task whose record the store cannot hold, with the reason', async () => {
    const { world, store } = await start();
    const update = store.update.bind(store);
    store.update = async (next, ...rest) => {
      if (next.attempts[0]?.outputs.length) throw new StoreError('the list of outputs is too large', { retryable: false });
      return update(next, ...rest);
    };
    const id = await bench.create(STAGED);
    await bench.state(id, 'RUNNING');
    world.jobs.get(jobName(id, 1))?.files.set('/out', 'output');
    bench.backend.finish(id, 1);
    const done = await bench.done(id);
    expect(done.state).toBe('SYSTEM_ERROR');
    expect(done.attempts.at(-1)?.systemLogs.at(-1)).toBe('the list of outputs is too large');
  });

  it('lists as many outputs as a record can hold, and says how many are left out', async () => {
    const { world } = await start();
    const outputs = Array.from({ length: 3 }, (_, index) => ({
      url: `mem://${index}/${'x'.repeat(6 * 2 ** 20)}`,
      path: `/out${index}`,
      type: 'FILE' as const,
    }));
    const id = await bench.create({ ...REQUEST, outputs });
    await bench.state(id, 'RUNNING');
    for (const { path } of outputs) world.jobs.get(jobName(id, 1))?.files.set(path, 'output');
    bench.backend.finish(id, 1);
    const done = await bench.done(id);
    expect(done.state).toBe('COMPLETE');
    expect(done.attempts[0]?.outputs).toHaveLength(2);
    expect(done.attempts[0]?.systemLogs.at(-1)).toBe('all 3 outputs were stored, 2 of them are listed');
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
    const { world } = await start();
    bench.storage.onCall = (verb, url) => {
      if (verb === 'write') throw new TransferError(`${url} cannot be written`, { retryable: false });
    };
    const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] });
    await bench.state(id, 'RUNNING');
    world.jobs.get(jobName(id, 1))?.files.set('/out', 'x');
    bench.backend.finish(id, 1, { phase: 'failed' });
    expect((await bench.done(id)).state).toBe('EXECUTOR_ERROR');
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain('cannot be written');
  });

  describe('whose workspace has gone before its outputs were stored', () => {
    const vanish = async (settings: Partial<EngineSettings> = {}): Promise<string> => {
      let isAway = true;
      await start({ life: (job) => ({ looks: job.attempt === 1 ? Infinity : 0, ending: { phase: 'succeeded' } }) }, settings);
      bench.storage.onCall = (verb) => {
        if (verb === 'write' && isAway) throw new TransferError('503', { retryable: true, unavailable: true });
      };
      const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] });
      await bench.state(id, 'RUNNING');
      bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'x');
      bench.backend.finish(id, 1);
      await bench.until(id, ({ step, trouble }) => step === 'stage-out' && trouble !== undefined);
      isAway = false;
      bench.world.jobs.delete(jobName(id, 1));
      return id;
    };

    it('is an attempt lost: the task is carried out again', async () => {
      const id = await vanish();
      expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 2 });
      const lines = (await bench.full(id)).logs?.flatMap((log) => log.system_logs ?? []).join();
      expect(lines).toContain('the workspace of the job is gone');
    });

    it('is SYSTEM_ERROR with the reason when no attempt is left', async () => {
      const id = await vanish({
        retry: {
          attempts: 1,
          firstDelayMs: 10,
          longestDelayMs: 20,
          patienceMs: 60_000,
          storagePatienceMs: 60_000,
          outputPatienceMs: 60_000,
        },
      });
      expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR', attempt: 1 });
      expect((await bench.full(id)).logs?.[0]?.system_logs?.at(-1)).toContain('the workspace of the job is gone');
    });
  });

  describe('whose last executor wrote more than its workspace has', () => {
    const OUT: TesTaskRequest = {
      executors: [{ image: 'i', command: ['c'], stdout: '/out' }],
      outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }],
    };
    /** By the record of the scripted backend an executor writes three bytes. */
    const written = async (id: string, attempt: number, text: string): Promise<void> => {
      await bench.until(id, (task) => task.attempt === attempt && task.state === 'RUNNING');
      bench.world.jobs.get(jobName(id, attempt))?.files.set('/out', text);
      bench.backend.finish(id, attempt);
    };

    it('is an attempt lost, and COMPLETE by one that has all of it', async () => {
      await start();
      const id = await bench.create(OUT);
      await written(id, 1, 'ou');
      await written(id, 2, 'out');
      expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 2 });
      expect(bench.storage.objects.get('mem://out')).toBe('out');
    });

    it('is SYSTEM_ERROR when no attempt is left, with both lengths, and nothing is stored', async () => {
      await start({}, { retry: { ...ENGINE.retry, attempts: 1 } });
      const id = await bench.create(OUT);
      await written(id, 1, 'ou');
      expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
      expect((await bench.full(id)).logs?.[0]?.system_logs?.at(-1)).toContain('wrote to /out: 3 bytes, 2 bytes are there');
      expect(bench.storage.objects.has('mem://out')).toBe(false);
    });
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

  it('leaves a job alone that cannot be looked at for a moment, although its backend is there', async () => {
    const { world } = await start({ life: () => ({ looks: 0, ending: { phase: 'succeeded' } }) });
    const unseen = new BackendError('reports an error of its own (500)', { retryable: true });
    const look = jest.spyOn(bench.backend, 'observe').mockRejectedValue(unseen);
    const id = await bench.create();
    await bench.until(id, (task) => (task.trouble?.count ?? 0) >= 5);
    look.mockRestore();
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
    expect(world.started).toHaveLength(1);
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
    const submit = bench.backend.submit.bind(bench.backend);
    bench.backend.submit = async (...given) => {
      const done = await submit(...given);
      // The look that the push asks for comes before the answer, or the test shows nothing.
      await new Promise((resolve) => setTimeout(resolve, 20));
      return done;
    };
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
    expect(world.fenced).toContain(jobName(id, 1));
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
    expect(await bench.service.explain(AnonymousPrincipal, id)).toMatchObject({
      waiting: [expect.stringMatching(/CANCELED once backend scripted confirms/), 'connection refused'],
    });
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
    jest.spyOn(store, 'getTasks').mockRejectedValue(new BackendError('away', { retryable: true }));
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

  it('are followed by no more readers at once than the setting says; whoever leaves makes room', async () => {
    const id = await start().then(() => bench.create());
    await bench.state(id, 'RUNNING');
    const leaving = new AbortController();
    const follow = (signal: AbortSignal) =>
      bench.logs.open(AnonymousPrincipal, id, { executor: 0, stream: 'stdout', offset: 0, follow: true }, signal);
    const [first, second] = [await follow(leaving.signal), await follow(AbortSignal.timeout(60_000))];
    await expect(follow(leaving.signal)).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    expect(await read(id)).toBe('');
    leaving.abort();
    const third = await follow(AbortSignal.timeout(60_000));
    await expect(follow(AbortSignal.timeout(60_000))).rejects.toThrow('logs.followers');
    bench.backend.finish(id, 1);
    for (const log of [first, second, third]) for await (const chunk of log) expect(chunk).toBeDefined();
    await bench.done(id);
  });

  it('of an executor that the task does not have are refused', async () => {
    await start();
    const id = await bench.create();
    await expect(read(id, { executor: 1 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});
