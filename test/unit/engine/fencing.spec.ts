import { Readable } from 'node:stream';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { queuedTask } from '../../support/records';
import { ScriptedBackend, ScriptedWorld, type Script } from '../../support/scripted-backend';
import { TaskChanges } from '../../../src/engine/task-changes';
import { TaskWriter } from '../../../src/engine/task-writer';
import { StoreError } from '../../../src/ports/errors';
import { BackendRegistry } from '../../../src/ports/registries';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import { jobName } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';

const LEASE_MS = 6000;
const INPUT_MS = 12_000;
const STAGED: TesTaskRequest = { ...REQUEST, inputs: [{ url: 'mem://in', path: '/in', type: 'FILE' }] };

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
async function advance(ms: number): Promise<void> {
  for (let gone = 0; gone < ms; gone += 100) {
    await jest.advanceTimersByTimeAsync(100);
    await turns();
  }
}

describe('two gateways of which one is cut off from the store', () => {
  let store: TaskStore;
  let atWork: Map<string, number>;
  let most: number;
  let begun: string[];
  let benches: EngineBench[];
  const cutOff = new Set<string>();

  beforeEach(async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
    [atWork, most, begun, benches] = [new Map(), 0, [], []];
    cutOff.clear();
  });
  afterEach(async () => {
    cutOff.clear();
    for (const bench of benches) void bench.engine.stop(0);
    await advance(1000);
    jest.useRealTimers();
    await store.close();
  });

  /** The store as this gateway reaches it. */
  function reached(instance: string): TaskStore {
    const away = (): StoreError => new StoreError('the store is unreachable', { retryable: true, unavailable: true });
    return new Proxy(store, {
      get: (object, key) => {
        if (key === 'isShared') return true;
        const member: unknown = Reflect.get(object, key, object);
        if (typeof member !== 'function' || key === 'now') return typeof member === 'function' ? (member.bind(object) as unknown) : member;
        return async (...given: unknown[]): Promise<unknown> => {
          if (cutOff.has(instance)) throw away();
          return (await Reflect.apply(member, object, given)) as unknown;
        };
      },
    });
  }

  async function gateway(instance: string, world: ScriptedWorld, script: Script = {}): Promise<EngineBench> {
    const bench = await EngineBench.on(reached(instance), script, { instance, leaseMs: LEASE_MS }, {}, world);
    benches.push(bench);
    bench.storage.read = (_url, _options?: unknown, signal?: AbortSignal) => {
      begun.push(instance);
      atWork.set(instance, (atWork.get(instance) ?? 0) + 1);
      most = Math.max(
        most,
        [...atWork.values()].reduce((sum, one) => sum + one, 0),
      );
      return new Promise((resolve, reject) => {
        const end = (): void => void atWork.set(instance, (atWork.get(instance) ?? 0) - 1);
        const timer = setTimeout(() => {
          end();
          resolve(Readable.from([Buffer.from('input')]));
        }, INPUT_MS);
        signal?.addEventListener('abort', () => {
          clearTimeout(timer);
          end();
          reject(signal.reason as Error);
        });
      });
    };
    return bench;
  }

  it('have one of them at work at a time, and bring the task to its end', async () => {
    const world = new ScriptedWorld();
    const life: Script['life'] = () => ({ looks: 0, ending: { phase: 'succeeded' } });
    const cut = await gateway('cut', world, { life });
    await gateway('other', world, { life, capacity: { cpuCores: 0, ramGb: 0 } });
    cutOff.add('other');
    const id = await cut.create(STAGED);
    await advance(500);
    expect(begun).toEqual(['cut']);
    cutOff.delete('other');
    cutOff.add('cut');
    await advance(1.5 * LEASE_MS);
    cutOff.delete('cut');
    await advance(4 * INPUT_MS);
    expect({ most, begun }).toEqual({ most: 1, begun: ['cut', 'other'] });
    expect(await store.getTask(id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
    expect(world.started).toEqual([jobName(id, 1)]);
  });

  it('leave a job alone that the other one has handed over when the answer to its own hand-over comes late', async () => {
    const world = new ScriptedWorld();
    const cut = await gateway('cut', world);
    await gateway('other', world, { capacity: { cpuCores: 0, ramGb: 0 } });
    const submit = cut.backend.submit.bind(cut.backend);
    let asked = 0;
    cut.backend.submit = async (job, handle) => {
      asked += 1;
      const done = await submit(job, handle);
      await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS));
      return done;
    };
    cutOff.add('other');
    const id = await cut.create();
    await advance(500);
    expect(asked).toBe(1);
    cutOff.delete('other');
    cutOff.add('cut');
    await advance(1.5 * LEASE_MS);
    expect(await store.getTask(id)).toMatchObject({ state: 'RUNNING', attempt: 1 });
    cutOff.delete('cut');
    await advance(2 * LEASE_MS);
    expect([...world.fenced]).toEqual([]);
    expect(await store.getTask(id)).toMatchObject({ state: 'RUNNING', attempt: 1 });
  });
});

describe('an event of a claim that is over', () => {
  it('is refused, whatever it says, and leaves the lease of the next holder alone', async () => {
    const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
    try {
      const backend = new ScriptedBackend();
      const writer = new TaskWriter(store, new BackendRegistry([backend]), new TaskChanges(() => undefined), Date.now);
      const { id } = queuedTask();
      await writer.create('{}', queuedTask());
      await writer.apply(id, { type: 'assigned', backend: backend.name, droppedParameters: [], warnings: [] });
      const query = { instance: 'i', backends: [backend.name], boundBackends: [], steps: ['submit'], limit: 1 } as const;
      const [known] = await store.claimDue({ ...query, holder: 'i/hand-over/1', leaseMs: -1 });
      const [held] = await store.claimDue({ ...query, holder: 'i/hand-over/2', leaseMs: 60_000 });
      const old = { claim: { holder: 'i/hand-over/1' }, ...(known ? { known } : {}) };
      for (const event of [
        { type: 'failed', attempt: 1, reason: 'no route' },
        { type: 'yielded', attempt: 1 },
        { type: 'deferred', attempt: 1, reason: 'away', delayMs: 1 },
        { type: 'retreated', attempt: 1, reason: 'no route' },
      ] as const) {
        expect(await writer.apply(id, event, old)).toMatchObject({ kind: 'ignored', why: 'lease' });
      }
      expect(await store.getTask(id)).toEqual(held);
      const done = await writer.apply(id, { type: 'yielded', attempt: 1 }, { claim: { holder: 'i/hand-over/2' } });
      expect(done).toMatchObject({ kind: 'changed' });
    } finally {
      await store.close();
    }
  });
});

describe('what was seen of a task without a claim', () => {
  it('counts only while the task is as it was', async () => {
    const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
    try {
      const writer = new TaskWriter(store, new BackendRegistry([new ScriptedBackend()]), new TaskChanges(() => undefined), Date.now);
      const known = queuedTask({ state: 'RUNNING', step: 'run', attempt: 1, backend: 'scripted', dueAt: store.now() });
      await writer.create('{}', known);
      const succeeded = { jobName: jobName(known.id, 1), phase: 'succeeded', executors: [], systemLogs: [] } as const;
      await writer.apply(known.id, { type: 'observed', attempt: 1, observation: succeeded });
      const late = await writer.apply(known.id, { type: 'retreated', attempt: 1, reason: 'the job was lost' }, { known, exact: true });
      expect(late).toMatchObject({ kind: 'ignored', why: 'changed' });
      expect(await store.getState(known.id)).toBe('COMPLETE');
    } finally {
      await store.close();
    }
  });
});
