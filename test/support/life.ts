import { AnonymousPrincipal } from './principals';
import { MemoryStorage } from './memory-storage';
import type { Ending, RealJob, Verdict } from './scripted-backend';
import { ScriptedGateway } from './scripted-gateway';
import { ENGINE } from './settings';
import { taskId } from '../../src/engine/task-id';
import { StoreError } from '../../src/ports/errors';
import type { Job } from '../../src/ports/execution-backend';
import type { AssignResult } from '../../src/ports/store/task-queue';
import type { Durability, InsertResult, StoredTask } from '../../src/ports/store/task-records';
import type { TaskStore } from '../../src/ports/store/task-store';
import type { PublishedBackend } from '../../src/ports/store/upkeep';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import { type Amounts, type Capacity, NOTHING } from '../../src/task/amounts';
import { roomKey, roomOf } from '../../src/task/room';
import type { TaskRecord } from '../../src/task/task-record';
import { isTerminal } from '../../src/task/task-state';

/** What a life is made of; a failing one is printed as this list, shrunk. */
export type Act =
  | { readonly act: 'create'; readonly looks: number; readonly ending: Ending['phase']; readonly files: boolean }
  | { readonly act: 'cancel'; readonly which: number; readonly ms: number; readonly turns: number }
  | { readonly act: 'wait'; readonly ms: number }
  | { readonly act: 'crash'; readonly which: number }
  | { readonly act: 'power' }
  | { readonly act: 'crashAfter'; readonly which: number; readonly calls: number }
  | { readonly act: 'clock'; readonly ms: number }
  /** One gateway cannot reach the store; others, jobs and the clock go on. */
  | { readonly act: 'cutOff'; readonly which: number; readonly ms: number }
  /** What is opened on the storage from now on moves a byte a minute, or at once again. */
  | { readonly act: 'storage'; readonly trickles: boolean }
  /** The event loop stands still: what came due meanwhile comes all at once. */
  | { readonly act: 'stall'; readonly ms: number }
  | { readonly act: 'nudge'; readonly which: number };

/** Real turns of the event loop: group commits and promises settle in them, whatever the imaginary clock says. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const HOUR_MS = 3_600_000;
const CAPACITY = { cpuCores: 3, ramGb: 3 };
/** Less than what the storage needs for a file while it trickles, and more than a lease. */
const LONGEST_TRANSFER_MS = 90_000;

/**
 * `alone`: one gateway has its store to itself, as SQLite promises. Leases end when the store is opened and otherwise last so long that none
 * is ever over here. `shared`: leases are short and end by time alone. `two`: two such gateways on one store, each with a backend that the
 * other does not have.
 */
export type Setting = 'alone' | 'shared' | 'two';

/** Gateways that live and die as a list of acts says, over a store and clusters that outlive them. */
export class Life {
  readonly storage = new MemoryStorage();
  readonly ids: string[] = [];
  readonly faults: string[] = [];
  private readonly cancelled = new Set<string>();
  private readonly lives = new Map<string, { looks: number; ending: Ending['phase'] }>();
  private readonly terminal = new Map<string, TaskRecord>();
  /** What ended while the present process lived. */
  private readonly endedHere = new Set<string>();
  private readonly gateways: readonly ScriptedGateway[];
  private readonly published = new Map<string, readonly PublishedBackend[]>();
  private faulty = true;
  private call = 0;
  private serial = 0;

  /** What was stored when the last durable write was made, oldest first: all that a power failure leaves. */
  private onDisk: readonly StoredTask[] = [];

  constructor(
    private store: TaskStore,
    private readonly verdicts: readonly (Verdict | undefined)[],
    private readonly setting: Setting,
  ) {
    // So long that it takes longer than all of a life where it trickles.
    this.storage.objects.set('mem://in', 'input '.repeat(10));
    const parts = {
      storage: this.storage,
      script: {
        onCall: () => (this.faulty ? this.verdicts[this.call++ % this.verdicts.length] : undefined),
        life: (job: Job) => {
          const life = this.lives.get(job.request.name ?? '');
          return { looks: life?.looks ?? 0, ending: { phase: life?.ending ?? ('succeeded' as const) } };
        },
        capacity: CAPACITY,
        capabilities: { boundToInstance: this.alone },
      },
      newId: () => taskId(++this.serial, new Uint8Array(10)),
      settings: { leaseMs: this.alone ? HOUR_MS : ENGINE.leaseMs, longestTransferMs: LONGEST_TRANSFER_MS },
    };
    const names = setting === 'two' ? ['one', 'two'] : [ENGINE.instance];
    this.gateways = names.map((name) => new ScriptedGateway(name, `backend-of-${name}`, parts));
  }

  /** Every gateway as a new process, on the same store and the same clusters. */
  async boot(gateways = this.gateways): Promise<void> {
    for (const { mortal } of gateways) mortal.dead = true;
    if (this.alone && gateways[0]?.engine) await this.reopen();
    for (const gateway of gateways) {
      gateway.isCutOff = false;
      gateway.start(this.watched(gateway));
    }
    await this.settle();
  }

  /** Lets everything that can go on now go on. */
  async settle(): Promise<void> {
    let quiet = 0;
    while (quiet < 3) {
      const calls = this.calls();
      await turns(4);
      quiet = calls === this.calls() ? quiet + 1 : 0;
    }
  }

  async advance(ms: number): Promise<void> {
    const step = Math.max(1, Math.ceil(ms / 20));
    for (let gone = 0; gone < ms; gone += step) {
      await jest.advanceTimersByTimeAsync(Math.min(step, ms - gone));
      await this.settle();
      await this.restart();
    }
  }

  async play(one: Act): Promise<void> {
    switch (one.act) {
      case 'create': {
        const name = `task ${this.lives.size}`;
        this.lives.set(name, { looks: one.looks, ending: one.ending });
        const files = one.files
          ? {
              inputs: [{ url: 'mem://in', path: '/in', type: 'FILE' as const }],
              outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' as const }],
            }
          : {};
        const request = { name, executors: [{ image: 'i', command: ['c'] }], ...files };
        const { service } = this.gateway(this.lives.size);
        void service?.create(AnonymousPrincipal, request, { basePath: '/v1' }).then(
          (id) => this.ids.push(id),
          () => undefined,
        );
        break;
      }
      case 'cancel': {
        // In the middle of whatever is due, too, not only when all is quiet.
        jest.advanceTimersByTime(one.ms);
        await turns(one.turns);
        const id = this.ids[one.which % Math.max(1, this.ids.length)];
        if (id !== undefined) void this.cancel(id, one.which + one.turns).catch(() => undefined);
        break;
      }
      case 'wait':
        await this.advance(one.ms);
        break;
      case 'stall':
        jest.advanceTimersByTime(one.ms);
        break;
      case 'crash':
        await this.boot([this.gateway(one.which)]);
        break;
      case 'power':
        await this.powerFailure();
        break;
      case 'crashAfter':
        this.gateway(one.which).mortal.callsLeft = one.calls / 2;
        break;
      case 'clock':
        jest.setSystemTime(Date.now() + one.ms);
        break;
      case 'cutOff': {
        const gateway = this.gateway(one.which);
        // Alone, a lease that could not be given back would last for the whole life.
        gateway.isCutOff = !this.alone;
        await this.advance(one.ms);
        gateway.isCutOff = false;
        break;
      }
      case 'storage':
        this.storage.trickleMs = one.trickles ? 60_000 : 0;
        break;
      case 'nudge': {
        const { world, engine, backendName } = this.gateway(one.which);
        const name = [...world.jobs.keys()][one.which % Math.max(1, world.jobs.size)];
        if (name !== undefined) engine?.observer.nudge(backendName, name);
        break;
      }
      default: {
        const never: never = one;
        throw new Error(String(never));
      }
    }
    await this.settle();
    await this.restart();
    await this.lookAtRoom();
  }

  private gateway(which: number): ScriptedGateway {
    const gateway = this.gateways[which % this.gateways.length];
    if (!gateway) throw new Error('a life has a gateway');
    return gateway;
  }
  private calls(): number {
    return this.gateways.reduce((sum, { mortal }) => sum + mortal.calls, 0);
  }
  /** Who has died comes back. */
  private async restart(): Promise<void> {
    const dead = this.gateways.filter(({ mortal }) => mortal.dead);
    if (dead.length > 0) await this.boot(dead);
  }
  private get jobs(): readonly RealJob[] {
    return this.gateways.flatMap(({ world }) => [...world.jobs.values()]);
  }

  /** A cancel that was acknowledged holds, unless the task had ended before. */
  private async cancel(id: string, which: number): Promise<void> {
    await this.gateway(which).service?.cancel(AnonymousPrincipal, id);
    const state = await this.store.getState(id);
    if (state === 'CANCELING') this.cancelled.add(id);
    else if (state === undefined || !isTerminal(state)) this.faults.push(`${id} is ${String(state)} after its cancel was acknowledged`);
  }

  /** Faults stop; whatever can end must now. */
  async peace(): Promise<void> {
    this.faulty = false;
    this.storage.trickleMs = 0;
    for (const { mortal } of this.gateways) mortal.callsLeft = Infinity;
    // Alone, the same process must bring all to an end: the next one would find every lease over.
    if (!this.alone) await this.boot();
    for (let round = 0; round < 60; round += 1) {
      if (await this.allDone()) return;
      await this.advance(10_000);
    }
  }

  async check(): Promise<void> {
    expect(this.faults).toEqual([]);
    const stored = await this.stored();
    expect(stored).toEqual(expect.arrayContaining(this.ids));
    for (const id of stored) {
      const task = await this.store.getTask(id);
      expect(task).toMatchObject({ id, step: 'done' });
      expect(task).not.toHaveProperty('lease');
      if (this.cancelled.has(id)) expect(task).toMatchObject({ id, state: 'CANCELED' });
      if (task?.state === 'COMPLETE') expect(task.attempts.at(-1)?.executors).toHaveLength(1);
    }
    // A job that no task knows has been swept, and none began twice.
    await this.goOnUntil(Promise.all(this.gateways.flatMap(({ engine }) => (engine ? [engine.housekeeping.once()] : []))));
    expect(this.jobs.map(({ name }) => name)).toEqual([]);
    const started = this.gateways.flatMap(({ world }) => world.started);
    expect(started).toEqual([...new Set(started)]);
    for (const gateway of this.gateways) expect(await this.used(gateway)).toEqual(NOTHING);
  }

  /** What was begun before may wait for an answer that is late by the imaginary clock. */
  private async goOnUntil(done: Promise<unknown>): Promise<void> {
    let isOver = false;
    void done.finally(() => (isOver = true));
    for (let round = 0; round < 60 && !isOver; round += 1) await this.advance(10_000);
    expect(isOver).toBe(true);
  }

  async end(): Promise<void> {
    for (const { mortal } of this.gateways) mortal.dead = true;
    jest.clearAllTimers();
    await this.store.close();
  }

  /** All gateways die and the store is as it was after the last durable write; the jobs, on other machines, go on. */
  private async powerFailure(): Promise<void> {
    for (const { mortal } of this.gateways) mortal.dead = true;
    await turns(4);
    await this.refill(this.onDisk);
    await this.boot();
  }

  /** As a store on a file is opened again after its process was killed. */
  private async reopen(): Promise<void> {
    await turns(4);
    await this.refill(await this.contents(this.store));
  }

  private async refill(tasks: readonly StoredTask[]): Promise<void> {
    const { store } = this;
    this.store = await newStore(Math.max(Date.now(), store.now()));
    await store.close();
    for (const { requestJson, task } of tasks) await this.store.insert(requestJson, this.alone ? unleased(task, this.store.now()) : task);
  }

  private async madeDurable(store: TaskStore): Promise<void> {
    this.onDisk = await this.contents(store);
  }

  private async contents(store: TaskStore): Promise<readonly StoredTask[]> {
    return (await store.listStored({ pageSize: 2047 }, 1e9)).items.toReversed();
  }

  private get alone(): boolean {
    return this.setting === 'alone';
  }
  private roomKey({ instance, backendName }: ScriptedGateway): string {
    return roomKey(backendName, this.alone ? instance : undefined);
  }
  private async used(gateway: ScriptedGateway): Promise<Amounts> {
    return [...(await this.store.used([this.roomKey(gateway)])).values()][0] ?? NOTHING;
  }

  /** Never more room is used than there is, and as much as the tasks that use some say. */
  private async lookAtRoom(): Promise<void> {
    const tasks = await this.contents(this.store);
    for (const gateway of this.gateways) {
      const { cpuCores = 0, slots = 0 } = await this.used(gateway);
      if (cpuCores > CAPACITY.cpuCores) this.faults.push(`${cpuCores} cores are used`);
      const using = tasks.filter(({ task }) => roomOf(task)?.key === this.roomKey(gateway)).length;
      if (using !== slots) this.faults.push(`${slots} tasks are counted, ${using} use room`);
    }
  }

  private async allDone(): Promise<boolean> {
    for (const id of await this.stored()) if ((await this.store.getTask(id))?.step !== 'done') return false;
    return true;
  }

  /** Every task, also one whose create was never answered because the process died first. */
  private async stored(): Promise<string[]> {
    return (await this.store.listMinimal({ pageSize: 2047 })).items.map(([id]) => id);
  }

  /** The real store as one gateway sees it, with every committed change looked at. */
  private watched(gateway: ScriptedGateway): TaskStore {
    return new Proxy(this.store, {
      get: (store, key) => {
        const member: unknown = Reflect.get(store, key, store);
        if (gateway.isCutOff && typeof member === 'function' && key !== 'now') return () => Promise.reject(unreachable());
        if (this.setting === 'two') {
          if (key === 'isShared') return true;
          if (key === 'published') return () => Promise.resolve(this.published);
          if (key === 'publish') {
            return (backends: readonly PublishedBackend[]) => Promise.resolve(void this.published.set(gateway.instance, backends));
          }
        }
        if (key === 'update') {
          return async (next: TaskRecord, revision: number, durability: Durability): Promise<boolean> => {
            const done = await store.update(next, revision, durability);
            if (done && durability === 'durable') await this.madeDurable(store);
            if (done) this.committed(next);
            return done;
          };
        }
        if (key === 'assign') {
          return async (next: TaskRecord, revision: number, capacity: Capacity, durability: Durability): Promise<AssignResult> => {
            const result = await store.assign(next, revision, capacity, durability);
            if (result === 'assigned') this.committed(next);
            return result;
          };
        }
        if (key === 'insert') {
          return async (requestJson: string, task: TaskRecord): Promise<InsertResult> => {
            const result = await store.insert(requestJson, task);
            await this.madeDurable(store);
            return result;
          };
        }
        return typeof member === 'function' ? (member.bind(store) as unknown) : member;
      },
    });
  }

  private committed(next: TaskRecord): void {
    const before = this.terminal.get(next.id);
    if (
      before &&
      JSON.stringify([before.state, before.endedAt, before.attempts]) !== JSON.stringify([next.state, next.endedAt, next.attempts])
    ) {
      this.faults.push(`${next.id} changed after it had ended: ${before.state} -> ${next.state}`);
    }
    if (!isTerminal(next.state)) return;
    if (!before) this.endedHere.add(next.id);
    if (!before && next.state === 'CANCELED') {
      const running = this.jobs.filter((job) => job.name.includes(next.id) && job.state === 'running');
      if (running.length > 0) this.faults.push(`${next.id} is CANCELED while ${running.map(({ name }) => name).join()} runs`);
    }
    this.terminal.set(next.id, next);
  }
}

function unreachable(): StoreError {
  return new StoreError('the store is unreachable', { retryable: true, unavailable: true });
}

/** As a record is when a store that one process has open was opened: whoever held the lease is gone, and the task is due. */
function unleased(task: TaskRecord, now: number): TaskRecord {
  const { lease, ...rest } = task;
  return lease === undefined ? task : { ...rest, dueAt: now };
}

/** A store on a file would go on from the time it saved last. */
export const newStore = (from = Date.now()): Promise<TaskStore> =>
  SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000, wallNow: () => from });
