import { Readable } from 'node:stream';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import type { Script } from '../../support/scripted-backend';
import { BackendError, StoreError } from '../../../src/ports/errors';
import type { Job, SubmittedLater } from '../../../src/ports/execution-backend';
import type { Handle } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';

/** More than the places of a test's engine, of any kind. */
const MANY = 40;
const NEVER_MS = 3_600_000;
const ROOMY: Script = { capacity: { cpuCores: 1000, ramGb: 1000 } };
const on = (backend: string, request: TesTaskRequest = REQUEST): TesTaskRequest => ({
  ...request,
  resources: { backend_parameters: { backend } },
});
const from = (host: string): TesTaskRequest => ({ ...REQUEST, inputs: [{ url: `mem://${host}.example/in`, path: '/in', type: 'FILE' }] });

/** A call that ends with its signal only. */
const hang = (signal?: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));

let bench: EngineBench;
afterEach(() => bench.stop());
const createMany = (request: TesTaskRequest, count = MANY): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => bench.create(request)));

describe('a backend that hangs holds up none of another one', () => {
  beforeEach(async () => {
    bench = await EngineBench.start([ROOMY, ROOMY]);
  });
  const [hanging, healthy] = ['scripted', 'scripted1'] as const;
  const hanging0 = () => bench.backends[0] as EngineBench['backend'];
  const healthy1 = () => bench.backends[1] as EngineBench['backend'];

  it('when running jobs are looked at', async () => {
    const stuck = await createMany(on(hanging));
    const id = await bench.create(on(healthy));
    for (const one of [...stuck, id]) await bench.state(one, 'RUNNING');
    const looks = { sum: 0, now: 0, most: 0 };
    hanging0().observe = async (_jobs, signal?: AbortSignal) => {
      looks.sum += 1;
      looks.most = Math.max(looks.most, ++looks.now);
      return hang(signal).finally(() => (looks.now -= 1));
    };
    for (const one of stuck) hanging0().finish(one, 1);
    while (looks.sum === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const one of stuck) hanging0().finish(one, 1);
    healthy1().finish(id, 1);
    expect((await bench.done(id)).state).toBe('COMPLETE');
    // One call at a time for what pushes named; on a slow machine one for what is due beside it.
    expect(looks.most).toBeLessThanOrEqual(2);
  });

  it('when tasks are cancelled', async () => {
    const stuck = await createMany(on(hanging));
    const id = await bench.create(on(healthy));
    for (const one of [...stuck, id]) await bench.state(one, 'RUNNING');
    hanging0().cancel = (_name, _handle?: Handle, signal?: AbortSignal) => hang(signal);
    for (const one of stuck) await bench.service.cancel(AnonymousPrincipal, one);
    await bench.service.cancel(AnonymousPrincipal, id);
    expect((await bench.done(id)).state).toBe('CANCELED');
  });

  it('when jobs are handed over', async () => {
    hanging0().submit = (_job, _handle, signal?: AbortSignal) => hang(signal);
    const stuck = await createMany(on(hanging));
    for (const one of stuck) await bench.state(one, 'INITIALIZING');
    const id = await bench.create(on(healthy));
    await bench.state(id, 'RUNNING');
  });

  it('when it is cleaned up', async () => {
    const cleanup = (_name: string, _handle: unknown, _options: unknown, signal?: AbortSignal) => hang(signal);
    Object.assign(hanging0(), { cleanup });
    const stuck = await createMany(on(hanging));
    for (const one of stuck) await bench.state(one, 'RUNNING');
    for (const one of stuck) hanging0().finish(one, 1);
    for (const one of stuck) await bench.state(one, 'COMPLETE');
    const id = await bench.create(on(healthy));
    await bench.state(id, 'RUNNING');
    healthy1().finish(id, 1);
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
  });

  it('when its start never answers, nor the API', async () => {
    await bench.engine.stop(0);
    const late = await EngineBench.on(bench.store, [ROOMY, ROOMY], {}, {}, undefined, {}, ([first]) => {
      if (first) first.start = (signal?: AbortSignal) => hang(signal);
    });
    try {
      const id = await late.create(on(healthy));
      await late.state(id, 'RUNNING');
      const waiting = await late.create(on(hanging));
      expect((await late.service.explain(AnonymousPrincipal, waiting)).waiting?.join()).toContain('it is being started');
    } finally {
      await late.engine.stop(0);
    }
  });
});

describe('of a backend that is known to be away', () => {
  it('one call at a time goes there, and what the tasks do is the same as if each had asked', async () => {
    let away = false;
    let [under, most] = [0, 0];
    bench = await EngineBench.start({ ...ROOMY, onCall: (verb) => (away && verb === 'health' ? 'away' : undefined) });
    const { backend } = bench;
    const submit = backend.submit.bind(backend);
    away = true;
    await bench.engine.monitor.ask();
    backend.submit = async (...given) => {
      if (!away) return submit(...given);
      under += 1;
      most = Math.max(most, under);
      await new Promise((resolve) => setImmediate(resolve));
      under -= 1;
      throw new BackendError('connection refused', { retryable: true, unavailable: true });
    };
    // The scheduler gives nothing to a backend that is away: these were given to it before.
    const ids = Array.from({ length: MANY }, (_, number) => `away-${number}`);
    for (const id of ids) await bench.insertAssigned(id);
    for (const id of ids) expect(await bench.until(id, ({ trouble }) => trouble !== undefined)).toMatchObject({ attempt: 1 });
    expect(most).toBe(1);
    away = false;
    await bench.engine.monitor.ask();
    for (const id of ids) await bench.until(id, ({ step }) => step === 'run');
  });
});

describe('slow transfers hold up', () => {
  const slowRead = (host: string): void => {
    bench.storage.stat = () => Promise.resolve({ kind: 'file', sizeBytes: 5 });
    bench.storage.read = (url: string, _options?: unknown, signal?: AbortSignal) =>
      url.startsWith(`mem://${host}`) ? hang(signal) : Promise.resolve(Readable.from([Buffer.from('input')]));
  };

  it('no task whose inputs are with another host', async () => {
    bench = await EngineBench.start(ROOMY);
    slowRead('slow');
    const stuck = await createMany(from('slow'));
    for (const id of stuck) await bench.state(id, 'INITIALIZING');
    await bench.state(await bench.create(from('quick')), 'RUNNING');
    const waits = await bench.create(from('slow'));
    await bench.until(waits, ({ step, lease }) => step === 'stage-in' && !lease);
    const { waiting } = await bench.service.explain(AnonymousPrincipal, waits);
    expect(waiting).toEqual(['waiting: 3 of 3 transfers with slow.example are under way for backend scripted']);
  });

  it('no task without inputs, though every transfer is slow', async () => {
    bench = await EngineBench.start(ROOMY);
    slowRead('slow');
    for (const id of await createMany(from('slow1'))) await bench.state(id, 'INITIALIZING');
    for (const id of await createMany(from('slow2'))) await bench.state(id, 'INITIALIZING');
    await bench.state(await bench.create(), 'RUNNING');
    const waits = await bench.create(from('quick'));
    const why = async () => (await bench.service.explain(AnonymousPrincipal, waits)).waiting?.join();
    while ((await why()) !== 'waiting: 4 of 4 places for stage-in on backend scripted are taken') {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  it('nothing that has its outputs to store', async () => {
    bench = await EngineBench.start(ROOMY);
    slowRead('slow');
    const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://slow1.example/out', path: '/out', type: 'FILE' }] });
    await bench.state(id, 'RUNNING');
    await createMany(from('slow1'));
    await createMany(from('slow2'));
    bench.world.jobs.get(`tes-${id}-1`)?.files.set('/out', 'output');
    bench.backend.finish(id, 1);
    expect((await bench.done(id)).state).toBe('COMPLETE');
    expect(bench.storage.objects.get('mem://slow1.example/out')).toBe('output');
  });

  it('their task no longer than transfers.max_seconds', async () => {
    bench = await EngineBench.start(ROOMY, {
      longestTransferMs: 20,
      retry: { attempts: 1, firstDelayMs: 1, longestDelayMs: 2, patienceMs: 1, storagePatienceMs: 60_000, outputPatienceMs: 60_000 },
    });
    slowRead('slow');
    const id = await bench.create(from('slow'));
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect((await bench.full(id)).logs?.[0]?.system_logs?.at(-1)).toContain('transfers.max_seconds');
  });
});

describe('a task that names max_transfer_seconds', () => {
  it('has its transfers ended after so long', async () => {
    bench = await EngineBench.start(ROOMY, {
      retry: { attempts: 1, firstDelayMs: 1, longestDelayMs: 2, patienceMs: 1, storagePatienceMs: 60_000, outputPatienceMs: 60_000 },
    });
    bench.storage.read = (_url: string, _options?: unknown, signal?: AbortSignal) => hang(signal);
    const inputs = [{ url: 'mem://in', path: '/in', type: 'FILE' as const }];
    const id = await bench.create({ ...REQUEST, inputs, resources: { backend_parameters: { max_transfer_seconds: '1' } } });
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect((await bench.full(id)).logs?.[0]?.system_logs?.at(-1)).toContain('backend parameter max_transfer_seconds');
  });
});

describe('a running job', () => {
  it('costs one write that may be lost for each look that tells nothing new', async () => {
    bench = await EngineBench.start(ROOMY);
    const id = await bench.create();
    const { revision } = await bench.state(id, 'RUNNING');
    const [update, postpone] = [jest.spyOn(bench.store, 'update'), jest.spyOn(bench.store, 'postpone')];
    const observe = jest.spyOn(bench.backend, 'observe');
    while (observe.mock.calls.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(update).not.toHaveBeenCalled();
    expect(postpone).toHaveBeenCalledTimes(observe.mock.calls.length);
    expect((await bench.task(id)).revision).toBe(revision);
  });
});

describe('looks', () => {
  it('at very many jobs of a slow backend get on, with fewer at a time', async () => {
    const life: Script['life'] = () => ({ looks: 0, ending: { phase: 'succeeded' } });
    const pollMs = { first: 100, longest: 100 };
    bench = await EngineBench.start({ ...ROOMY, life, capabilities: { pollMs } }, { callTimeoutMs: 400 });
    const observe = bench.backend.observe.bind(bench.backend);
    const sizes: number[] = [];
    // 100 ms for ten jobs; nothing is answered of a call that has taken too long.
    bench.backend.observe = async (jobs, signal?: AbortSignal) => {
      // On a busy machine the last one is handed over late.
      if (bench.world.started.length < 150) return [];
      sizes.push(jobs.length);
      for (let from = 0; from < jobs.length; from += 10) await new Promise((resolve) => setTimeout(resolve, 100));
      signal?.throwIfAborted();
      return observe(jobs);
    };
    for (const id of await createMany(REQUEST, 150)) await bench.done(id);
    expect(Math.max(...sizes)).toBeGreaterThan(40);
    expect(Math.min(...sizes)).toBeLessThanOrEqual(40);
  });

  it('at jobs that a push names do not wait for a look at others', async () => {
    bench = await EngineBench.start(ROOMY);
    const [stuck, id] = [await bench.create(), await bench.create()];
    for (const one of [stuck, id]) await bench.state(one, 'RUNNING');
    const observe = bench.backend.observe.bind(bench.backend);
    let isStuck = false;
    bench.backend.observe = (jobs, signal?: AbortSignal) => {
      if (!jobs.some(({ name }) => name.includes(stuck))) return observe(jobs);
      isStuck = true;
      return hang(signal);
    };
    while (!isStuck) await new Promise((resolve) => setTimeout(resolve, 5));
    bench.backend.finish(id, 1);
    expect((await bench.done(id)).state).toBe('COMPLETE');
  });

  it('that saw an end while another gateway wrote what it had seen before are made again at once', async () => {
    const pollMs = { first: NEVER_MS, longest: NEVER_MS };
    bench = await EngineBench.start({ ...ROOMY, capabilities: { pollMs } }, { tickMs: NEVER_MS });
    const id = await bench.create();
    await bench.until(id, ({ step }) => step === 'run');
    const observe = bench.backend.observe.bind(bench.backend);
    let isFirst = true;
    bench.backend.observe = async (jobs) => {
      const seen = await observe(jobs);
      if (isFirst) {
        isFirst = false;
        const observation = { jobName: `tes-${id}-1`, phase: 'running', executors: [], systemLogs: [] } as const;
        await bench.engine.writer.apply(id, { type: 'observed', attempt: 1, observation });
      }
      return seen;
    };
    bench.backend.finish(id, 1);
    expect((await bench.done(id)).state).toBe('COMPLETE');
  });
});

describe('a failure of work that a cancel has overtaken', () => {
  it('does not put the fence off', async () => {
    bench = await EngineBench.start(ROOMY, {
      retry: {
        attempts: 3,
        firstDelayMs: NEVER_MS,
        longestDelayMs: NEVER_MS,
        patienceMs: NEVER_MS,
        storagePatienceMs: NEVER_MS,
        outputPatienceMs: NEVER_MS,
      },
    });
    const submit = bench.backend.submit.bind(bench.backend);
    let isFirst = true;
    bench.backend.submit = async (job, handle) => {
      if (!isFirst) return submit(job, handle);
      isFirst = false;
      // As another gateway does it: nobody here hears of it.
      const task = await bench.task(job.taskId);
      const cancelled = { state: 'CANCELING', step: 'cancel', revision: task.revision + 1, dueAt: bench.store.now() } as const;
      await bench.store.update({ ...task, ...cancelled }, task.revision);
      throw new BackendError('connection refused', { retryable: true, unavailable: true });
    };
    const id = await bench.create();
    expect((await bench.done(id)).state).toBe('CANCELED');
  });
});

describe('a store that cannot be written for a while', () => {
  it('is not asked again and again for what could not be put off', async () => {
    bench = await EngineBench.start(ROOMY);
    const id = await bench.create();
    await bench.state(id, 'RUNNING');
    const full = new StoreError('the disk is full', { retryable: true, unavailable: true });
    const postpone = jest.spyOn(bench.store, 'postpone').mockRejectedValue(full);
    while (postpone.mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    for (let turn = 0; turn < 1000; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(postpone.mock.calls.length).toBeLessThan(3);
    postpone.mockRestore();
    bench.backend.finish(id, 1);
    expect((await bench.done(id)).state).toBe('COMPLETE');
  });
});

describe('a submit that has to wait', () => {
  it('holds no place meanwhile, goes on from its handle, and is no trouble', async () => {
    bench = await EngineBench.start(ROOMY, { places: { transfers: 1, calls: 1 } });
    const { backend } = bench;
    const submit = backend.submit.bind(backend);
    const asked = new Map<string, (string | undefined)[]>();
    let isReady = false;
    const later = async (job: Job, handle: Handle | undefined): Promise<Handle | SubmittedLater> => {
      const before = asked.get(job.taskId) ?? [];
      asked.set(job.taskId, [...before, handle?.step]);
      if (job.request.name !== 'waits' || isReady) return submit(job, handle?.step === 'making' ? { ...handle, step: 'prepared' } : handle);
      const made = await submit(job, undefined);
      return { handle: { ...made, step: 'making' }, againMs: before.length < 3 ? 10 : NEVER_MS };
    };
    Object.assign(backend, { submit: later });
    const waits = await bench.create({ ...REQUEST, name: 'waits' });
    await bench.until(waits, () => asked.get(waits)?.length === 4);
    // The only place there is.
    await bench.state(await bench.create(), 'RUNNING');
    const waiting = await bench.task(waits);
    expect(waiting).toMatchObject({ state: 'INITIALIZING', attempt: 1 });
    expect(waiting).not.toHaveProperty('trouble');
    expect(asked.get(waits)).toEqual([undefined, 'making', 'making', 'making']);
    isReady = true;
    await bench.store.postpone([{ id: waits, revision: waiting.revision, dueAt: waiting.dueAt ?? 0, until: bench.store.now() }]);
    await bench.state(await bench.create(), 'RUNNING');
    await bench.state(waits, 'RUNNING');
  });
});

describe('pushes', () => {
  it('of jobs that another gateway hands over are not remembered for ever', async () => {
    bench = await EngineBench.start({ ...ROOMY, capabilities: { draining: true } });
    const early = (bench.engine.observer as unknown as { early: Map<string, number> }).early;
    const id = await bench.create();
    await bench.engine.writer.apply(id, { type: 'assigned', backend: 'elsewhere', droppedParameters: [], warnings: [] });
    for (let number = 0; number < MANY; number += 1) bench.engine.observer.nudge('scripted', `tes-${id}-${number}`);
    bench.engine.observer.nudge('scripted', `tes-nobody-1`);
    bench.engine.observer.nudge('scripted', 'not ours');
    const get = jest.spyOn(bench.store, 'getTask');
    while (get.mock.calls.length < MANY) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(early.size).toBe(0);
  });
});
