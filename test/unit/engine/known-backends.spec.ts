import { mergeBackends } from '../../../src/engine/known-backends';
import { whyUnderWay } from '../../../src/engine/waiting-reasons';
import type { TaskStore } from '../../../src/ports/store/task-store';
import type { PublishedBackend } from '../../../src/ports/store/upkeep';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import { jobName, type TaskRecord } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import { queuedTask } from '../../support/records';

function published(name: string, changes: Partial<PublishedBackend> = {}): PublishedBackend {
  return {
    name,
    draining: false,
    staging: 'gateway',
    capacity: { cpuCores: 8, ramGb: 32 },
    boundToInstance: true,
    labels: {},
    parameterKeys: [],
    notes: [],
    isWell: true,
    ...changes,
  };
}

describe('the backends of several gateways', () => {
  const pulsar = published('pulsar', { boundToInstance: false });
  it('are the same list wherever it is asked: a shared one once, what is bound to its gateway once for each', () => {
    const a = [published('local', { capacity: { cpuCores: 2, ramGb: 4 } }), pulsar];
    const b = [pulsar, published('local')];
    const names = (instance: string, own: readonly PublishedBackend[], other: [string, readonly PublishedBackend[]]) =>
      mergeBackends(instance, own, new Map([other, [instance, own]])).map(({ name, gateways, capacity }) => [
        name,
        [...gateways].sort(),
        capacity.cpuCores,
      ]);
    const expected = [
      ['local', ['a'], 2],
      ['local', ['b'], 8],
      ['pulsar', ['a', 'b'], 8],
    ];
    expect(names('a', a, ['b', b])).toEqual(expected);
    expect(names('b', b, ['a', a])).toEqual(expected);
  });

  it('are as this gateway sees them where it has them itself', () => {
    const [one] = mergeBackends('a', [{ ...pulsar, isWell: false }], new Map([['b', [pulsar]]]));
    expect(one).toMatchObject({ isWell: false, gateways: ['a', 'b'] });
  });
});

describe('a gateway that does not have the backend itself', () => {
  let bench: EngineBench;
  let others: Map<string, readonly PublishedBackend[]>;
  let said: readonly PublishedBackend[];
  beforeEach(async () => {
    others = new Map();
    const alone = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
    const store = new Proxy<TaskStore>(alone, {
      get: (object, key) => {
        if (key === 'isShared') return true;
        if (key === 'publish') return (backends: readonly PublishedBackend[]) => Promise.resolve(void (said = backends));
        if (key === 'published') return () => Promise.resolve(others);
        const member: unknown = Reflect.get(object, key, object);
        return typeof member === 'function' ? (member.bind(object) as unknown) : member;
      },
    });
    bench = await EngineBench.on(store, { capacity: { cpuCores: 2, ramGb: 4 }, capabilities: { boundToInstance: true, draining: true } });
  });
  afterEach(() => bench.stop());
  const hear = async (...backends: readonly PublishedBackend[]): Promise<void> => {
    others = new Map([['b', backends]]);
    await bench.engine.known.refresh();
  };
  const needing = (cpu: number, parameters?: Record<string, string>): TesTaskRequest => ({
    ...REQUEST,
    resources: { cpu_cores: cpu, ...(parameters && { backend_parameters: parameters }) },
  });

  it('says what it has, and again only when that has changed', async () => {
    expect(said).toMatchObject([{ name: 'scripted', capacity: { cpuCores: 2, ramGb: 4 }, draining: true, isWell: true }]);
    const before = said;
    await bench.engine.known.refresh();
    expect(said).toBe(before);
  });

  it('takes a task as it was sent that only another gateway can carry out, and says what it waits for', async () => {
    await hear(published('south', { labels: { gpu: 'a100' }, parameterKeys: ['partition'] }));
    const wish = { 'label.gpu': 'a100', partition: 'long', backend: 'south' };
    const id = await bench.create(needing(8, wish));
    const { needs, systemLogs } = await bench.task(id);
    expect(needs).toMatchObject({ cpuCores: 8, backend: 'south', labels: { gpu: 'a100' } });
    expect(systemLogs).toEqual([]);
    const { waiting } = await bench.service.explain(AnonymousPrincipal, id);
    expect(waiting).toEqual(['waiting: backend south of gateway b: its gateway has not taken the task yet']);
    await hear();
    // Reasons are read from what was known a moment ago.
    const says = async (words: string): Promise<void> => {
      const waitsFor = async () => (await bench.service.explain(AnonymousPrincipal, id)).waiting?.join();
      while ((await waitsFor()) !== `waiting: ${words}`) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await says('backend south is not set up any more: set it up again, or cancel the task');
    await hear(published('south', { labels: { gpu: 'a100' }, parameterKeys: ['partition'], isWell: false }));
    await says('backend south of gateway b: it is unreachable');
  });

  it('fits a task to the largest of them all, and refuses what none of them has, by name', async () => {
    await hear(published('local'));
    // It is cut when it is assigned: until then the largest of them may have become larger.
    const id = await bench.create(needing(64));
    const waiting = async () => (await bench.service.explain(AnonymousPrincipal, id)).waiting ?? [];
    expect(await waiting()).toContain('waiting: backend local of gateway b: its gateway has not taken the task yet');
    bench.backend.script.capabilities = { ...bench.backend.script.capabilities, draining: false };
    const tooSmall = 'waiting: backend scripted: the task needs 8 CPU cores, it has 2';
    while (!(await waiting()).includes(tooSmall)) await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(bench.create(needing(1, { backend: 'east' }))).rejects.toThrow(/there are: scripted, local/);
  });

  it('does not say for the backend of the same name of another gateway what its own refuses', async () => {
    jest.spyOn(bench.backend, 'check').mockReturnValue(['its image is not here']);
    await expect(bench.create()).rejects.toThrow('its image is not here');
    await hear(published('scripted'));
    expect((await bench.task(await bench.create())).needs).toMatchObject({ refusedBy: ['scripted@test'], admittedBy: 'test' });
  });

  it('notes who admitted a task, also while it knows of no other gateway', async () => {
    expect((await bench.task(await bench.create())).needs).toMatchObject({ admittedBy: 'test' });
  });

  it('asks its own backend about a task that another gateway admitted, before it gets it', async () => {
    const check = jest.spyOn(bench.backend, 'check').mockReturnValue(['its image is not here']);
    const task = queuedTask();
    const [one, two] = [
      { ...task, id: `${task.id}1` },
      { ...task, id: `${task.id}2` },
    ];
    await bench.store.insert(JSON.stringify(REQUEST), { ...one, needs: { ...task.needs, admittedBy: 'b' } });
    await bench.store.insert(JSON.stringify(REQUEST), { ...two, needs: { ...task.needs, admittedBy: 'test' } });
    bench.backend.script.capabilities = { ...bench.backend.script.capabilities, draining: false };
    bench.engine.scheduler.nudge();
    expect(await bench.until(one.id, ({ needs }) => needs.refusedBy !== undefined)).toMatchObject({
      state: 'QUEUED',
      needs: { refusedBy: ['scripted@test'] },
      systemLogs: ['backend scripted@test cannot carry the task out: its image is not here'],
    });
    await bench.until(two.id, ({ step }) => step === 'run');
    expect(check).toHaveBeenCalledTimes(1);
    expect(bench.world.started).toEqual([jobName(two.id, 1)]);
  });
});

describe('why a task that a backend has does not go on', () => {
  const seen = new Map([['there', 1000]]);
  const store = { now: () => 2000, seenGateways: () => Promise.resolve(seen) };
  const why = (changes: Partial<TaskRecord>) =>
    whyUnderWay(queuedTask({ backend: 'north', attempt: 2, state: 'RUNNING', step: 'run', ...changes }), store, 'here', {
      known: { all: () => [{ ...published('north'), gateways: ['here'] }], elsewhere: () => [] },
      fullness: () => undefined,
    });
  const trouble = { count: 1, since: 1, reason: 'north is away' };

  it.each<[string, Partial<TaskRecord>, readonly RegExp[]]>([
    ['nothing', {}, []],
    ['trouble', { trouble }, [/^north is away$/]],
    ['its gateway', { boundTo: 'lost' }, [/gateway lost, .* has been away: start it again, or, .* npm run store -- gone lost$/]],
    ['a gateway that is there', { boundTo: 'there' }, []],
    [
      'a backend taken out of the settings',
      { backend: 'old' },
      [/backend old .* set it up again, or npm run store -- gone --backend old$/],
    ],
    [
      'the end of its job',
      { state: 'CANCELING', step: 'cancel', trouble },
      [/CANCELED once backend north confirms .* attempt 2/, /north is away/],
    ],
    [
      'the end of a job that stayed behind',
      { state: 'CANCELING', step: 'cancel', backend: 'old', jobAttempt: 1 },
      [/backend old confirms that the job of attempt 1/, /gone --backend old$/],
    ],
  ])('is said with its cure: %s', async (_what, changes, lines) => {
    const said = await why(changes);
    expect(said).toHaveLength(lines.length);
    for (const [at, line] of lines.entries()) expect(said[at]).toMatch(line);
  });
});
