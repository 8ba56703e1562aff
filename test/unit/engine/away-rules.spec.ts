import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import { NEEDS, queuedTask } from '../../support/records';
import { type Script, ScriptedBackend, ScriptedWorld } from '../../support/scripted-backend';
import { AwayRules } from '../../../src/engine/away-rules';
import type { EngineSettings } from '../../../src/engine/engine-settings';
import { BackendError, TransferError } from '../../../src/ports/errors';
import { BackendRegistry } from '../../../src/ports/registries';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import type { Placement, WhenAway } from '../../../src/task/placement';
import { type Handle, jobName, type TaskRecord } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';
import { NOTHING } from '../../../src/task/amounts';

const MOVE: WhenAway = { kind: 'move', afterMs: 80 };
const WAIT: WhenAway = { kind: 'wait' };
const RETRY: EngineSettings['retry'] = {
  attempts: 3,
  firstDelayMs: 10,
  longestDelayMs: 20,
  patienceMs: 50,
  storagePatienceMs: 60_000,
  outputPatienceMs: 60_000,
};
const QUICK: Partial<EngineSettings> = { healthMs: 20, retry: RETRY };
const ONCE: Partial<EngineSettings> = { retry: { ...RETRY, attempts: 1 } };
const ON_NORTH: TesTaskRequest = { ...REQUEST, resources: { backend_parameters: { 'label.site': 'north' } } };

jest.setTimeout(20_000);

/** Two servers with jobs of their own: `scripted` in the north, which can be cut off, and a larger one, `scripted1`, that tasks move to. */
class Servers {
  readonly north = new ScriptedWorld();
  readonly south = new ScriptedWorld();
  isCut = false;
  /** What the north is asked while it comes back. */
  readonly asked: string[] = [];
  refuseCancel = false;
  cutAtSubmit = false;

  scripts(): readonly Script[] {
    const onCall: Script['onCall'] = (verb, name) => {
      if (verb === 'submit' && this.cutAtSubmit) this.isCut = true;
      if (!this.isCut) this.asked.push(`${verb} ${name}`);
      return this.isCut || (verb === 'cancel' && this.refuseCancel) ? 'away' : undefined;
    };
    const capabilities = { pollMs: { first: 10, longest: 20 } };
    return [
      { world: this.north, capabilities, onCall, capacity: { cpuCores: 100, ramGb: 100 } },
      { world: this.south, capabilities, capacity: { cpuCores: 2, ramGb: 8 } },
    ];
  }
}

function placements(whenAway: WhenAway): Record<string, Placement> {
  return { scripted: { labels: { site: 'north' }, whenAway }, scripted1: { labels: {}, whenAway: WAIT } };
}

describe('a backend that goes away', () => {
  let bench: EngineBench;
  let servers: Servers;
  const begin = async (whenAway: WhenAway, settings: Partial<EngineSettings> = {}) => {
    servers = new Servers();
    const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
    bench = await EngineBench.on(store, servers.scripts(), { ...QUICK, ...settings }, {}, new ScriptedWorld(), placements(whenAway));
  };
  const hasNoticed = async (ok: boolean) => {
    while (bench.engine.monitor.health('scripted').ok !== ok) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  /** A task that runs in the north, which is then cut off. */
  const cutWhileRunning = async (request = REQUEST): Promise<string> => {
    const id = await bench.create(request);
    expect((await bench.state(id, 'RUNNING')).backend).toBe('scripted');
    servers.isCut = true;
    return id;
  };
  afterEach(() => bench.stop());

  it('takes no new tasks, and those it has wait beyond all patience and end in their first attempt; the rest go on', async () => {
    await begin(WAIT);
    const id = await cutWhileRunning();
    await hasNoticed(false);
    const other = await bench.create();
    expect((await bench.state(other, 'RUNNING')).backend).toBe('scripted1');
    bench.backends[1]?.finish(other, 1);
    expect((await bench.done(other)).state).toBe('COMPLETE');
    const waiting = await bench.until(id, ({ trouble }) => (trouble?.count ?? 0) > 6 && Date.now() - (trouble?.since ?? 0) > 200);
    expect(waiting).toMatchObject({ state: 'RUNNING', attempt: 1, backend: 'scripted', trouble: { reason: 'scripted is away' } });
    servers.isCut = false;
    bench.backend.finish(id, 1);
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
    expect(servers.north.started).toEqual([jobName(id, 1)]);
  });

  it('is waited for by the clock of the store: one of the machine that is set forward ends no patience', async () => {
    let isAway = true;
    bench = await EngineBench.start({
      onCall: (verb) => (verb === 'observe' && isAway ? 'before' : undefined),
      life: () => ({ looks: 0, ending: { phase: 'succeeded' } }),
    });
    const id = await bench.create();
    const { trouble } = await bench.until(id, (task) => (task.trouble?.count ?? 0) >= 2);
    bench.aheadMs = 7 * 86_400_000;
    const waiting = await bench.until(id, (task) => (task.trouble?.count ?? 0) >= 4 || task.attempt > 1);
    expect(waiting).toMatchObject({ attempt: 1, trouble: { since: trouble?.since } });
    isAway = false;
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
  });

  it('lets its tasks move when the settings say so; the job that stayed is ended before it takes anything new', async () => {
    await begin(MOVE);
    const id = await cutWhileRunning();
    expect(await bench.until(id, ({ attempt, state }) => attempt === 2 && state === 'RUNNING')).toMatchObject({ backend: 'scripted1' });
    bench.backends[1]?.finish(id, 2);
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 2 });
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain(
      'the job that it may still have there is ended when that is back',
    );
    expect(await bench.store.used(['scripted'])).toEqual(new Map([['scripted', NOTHING]]));
    expect(servers.north.jobs.get(jobName(id, 1))).toMatchObject({ state: 'running' });
    const next = await bench.create(ON_NORTH);
    servers.isCut = false;
    await bench.state(next, 'RUNNING');
    expect([...servers.north.jobs.keys()]).toEqual([jobName(next, 1)]);
    const asked = servers.asked.slice(servers.asked.findIndex((call) => call.startsWith('cancel')));
    expect(asked.slice(0, 2)).toEqual([`cancel ${jobName(id, 1)}`, `cleanup ${jobName(id, 1)}`]);
    expect(asked.findIndex((call) => call === `submit ${jobName(next, 1)}`)).toBeGreaterThan(1);
  });

  it('stays away while what stayed behind cannot be ended', async () => {
    await begin(MOVE);
    const id = await cutWhileRunning();
    await bench.until(id, ({ attempt }) => attempt === 2);
    servers.refuseCancel = true;
    servers.isCut = false;
    while (!bench.engine.monitor.health('scripted').detail.includes('being ended')) await new Promise((resolve) => setTimeout(resolve, 5));
    servers.refuseCancel = false;
    await hasNoticed(true);
    expect(servers.north.jobs.size).toBe(0);
  });

  it('ends what stayed behind also when the gateway began anew meanwhile', async () => {
    await begin(MOVE);
    const id = await cutWhileRunning();
    await bench.until(id, ({ attempt }) => attempt === 2);
    await bench.engine.stop(0);
    bench = await EngineBench.on(bench.store, servers.scripts(), QUICK, {}, new ScriptedWorld(), placements(MOVE));
    expect(bench.engine.monitor.health('scripted').ok).toBe(false);
    servers.isCut = false;
    await hasNoticed(true);
    expect(servers.north.jobs.size).toBe(0);
    expect(servers.north.fenced).toContain(jobName(id, 1));
  });

  it.each<[string, Partial<EngineSettings>, TesTaskRequest]>([
    ['that no other backend could take', {}, ON_NORTH],
    ['into an attempt too many', ONCE, REQUEST],
  ])('lets nothing move %s', async (_why, settings, request) => {
    await begin(MOVE, settings);
    const id = await cutWhileRunning(request);
    const waiting = await bench.until(id, ({ trouble }) => Date.now() - (trouble?.since ?? Date.now()) > 250);
    expect(waiting).toMatchObject({ state: 'RUNNING', attempt: 1, backend: 'scripted' });
    servers.isCut = false;
    bench.backend.finish(id, 1);
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
  });

  it('moves what it never began, however few the attempts, and says so', async () => {
    await begin(MOVE, ONCE);
    servers.cutAtSubmit = true;
    const id = await bench.create();
    expect(await bench.state(id, 'RUNNING')).toMatchObject({ attempt: 2, backend: 'scripted1' });
    bench.backends[1]?.finish(id, 2);
    await bench.done(id);
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain('its job was not started there');
    expect(servers.north.started).toEqual([]);
  });

  it.each(['waits', 'runs elsewhere'])(
    'keeps a task that moved and %s CANCELING until the job that stayed behind has ended',
    async (where) => {
      await begin(MOVE);
      const id = await cutWhileRunning();
      const [moved] = [await bench.until(id, ({ attempt, step }) => attempt === 2 && step === 'run')];
      expect(moved.leftBehind).toMatchObject([{ backend: 'scripted', attempt: 1 }]);
      if (where === 'waits') await bench.engine.writer.apply(id, { type: 'moved', attempt: 2, reason: 'test', neverStarted: true });
      await bench.service.cancel(AnonymousPrincipal, id);
      const waiting = await bench.until(id, ({ trouble, jobAttempt }) => trouble !== undefined && jobAttempt === 1);
      expect(waiting).toMatchObject({ state: 'CANCELING', backend: 'scripted', trouble: { reason: 'scripted is away' } });
      if (where !== 'waits') expect(servers.south.jobs.size).toBe(0);
      expect(servers.north.jobs.get(jobName(id, 1))).toMatchObject({ state: 'running' });
      servers.isCut = false;
      expect((await bench.done(id)).state).toBe('CANCELED');
      expect(servers.north.jobs.size).toBe(0);
      expect(servers.north.fenced).toContain(jobName(id, 1));
    },
  );

  it('forgets what stayed behind once that has ended, so that a later cancel waits for nothing', async () => {
    await begin(MOVE);
    const id = await cutWhileRunning();
    await bench.until(id, ({ attempt, step }) => attempt === 2 && step === 'run');
    servers.isCut = false;
    expect(await bench.until(id, ({ leftBehind }) => leftBehind === undefined)).toMatchObject({ attempt: 2, backend: 'scripted1' });
    expect(servers.north.jobs.size).toBe(0);
  });

  it('confirms a cancel only when it is back, and says why it lasts', async () => {
    await begin(MOVE);
    const id = await cutWhileRunning();
    await bench.service.cancel(AnonymousPrincipal, id);
    const waiting = await bench.until(id, ({ trouble }) => Date.now() - (trouble?.since ?? Date.now()) > 200);
    expect(waiting).toMatchObject({ state: 'CANCELING', attempt: 1, trouble: { reason: 'scripted is away' } });
    servers.isCut = false;
    expect((await bench.done(id)).state).toBe('CANCELED');
    expect(servers.north.jobs.size).toBe(0);
  });
});

describe('what a task does whose backend did not answer', () => {
  /** With changes to what the north and the south can do. */
  const registry = (...changes: readonly Script['capabilities'][]): BackendRegistry =>
    new BackendRegistry(
      new Servers().scripts().map((script, at) => {
        const capabilities = { ...script.capabilities, ...changes[at] };
        return new ScriptedBackend(undefined, { ...script, capabilities }, at ? 'scripted1' : 'scripted');
      }),
      new Map(Object.entries(placements(MOVE))),
    );
  const away = new BackendError('away', { retryable: true, unavailable: true });
  const prepared: Handle = { backend: 'scripted', version: 1, step: 'prepared', data: {} };
  const isSouth = (name: string): boolean => name === 'scripted1';
  const rule = (changes: Partial<TaskRecord>, error: unknown = away, ok = isSouth, backends = registry()) =>
    new AwayRules(backends, { health: (name) => ({ ok: ok(name), detail: '', since: 0 }) }).ruleFor(
      queuedTask({ attempt: 1, backend: 'scripted', ...changes }),
      error,
    );

  it.each<[string, Partial<TaskRecord>, boolean]>([
    ['before its first step', { step: 'stage-in' }, false],
    ['while its inputs are brought', { step: 'stage-in', handle: prepared, needs: { ...NEEDS, hasInputs: true } }, false],
    ['when there are none to bring', { step: 'stage-in', handle: prepared }, true],
    ['when it is handed over', { step: 'submit', handle: prepared }, true],
    ['later', { step: 'run', handle: { ...prepared, step: 'submitted' } }, true],
  ])('its job may have started %s: %#', (_when, changes, mayHaveStarted) => {
    expect(rule(changes)).toEqual({ kind: 'move', afterMs: 80, mayHaveStarted });
  });

  it('its job may have started whenever the worker brings the inputs', () => {
    const changes = { step: 'stage-in', handle: prepared, needs: { ...NEEDS, hasInputs: true } } as const;
    expect(rule(changes, away, isSouth, registry({ staging: 'worker' }))).toMatchObject({ kind: 'move', mayHaveStarted: true });
  });

  it.each<[string, Script['capabilities'], TaskRecord['needs']]>([
    ['takes no new tasks', { draining: true }, NEEDS],
    ['has too little memory in all', {}, { ...NEEDS, ramGb: 9 }],
    ['has too few CPUs in all', {}, { ...NEEDS, cpuCores: 3 }],
  ])('it stays where the other one %s', (_why, capabilities, needs) => {
    expect(rule({ step: 'run', needs }, away, isSouth, registry({}, capabilities))).toEqual({ kind: 'wait' });
  });

  it('it stays while its backend is not known to be away, or the others are too', () => {
    expect(rule({ step: 'run' }, away, () => true)).toEqual({ kind: 'wait' });
    expect(rule({ step: 'run' }, away, () => false)).toEqual({ kind: 'wait' });
  });

  it('it is patient with a storage that is away, and with a backend for which nothing is set', () => {
    const storage = new TransferError('away', { retryable: true, unavailable: true });
    expect(rule({ step: 'stage-out' }, storage, () => true)).toEqual({ kind: 'patience' });
    expect(rule({ step: 'stage-out' }, storage)).toMatchObject({ kind: 'move' });
    expect(rule({ step: 'run', backend: 'gone' })).toEqual({ kind: 'patience' });
  });
});
