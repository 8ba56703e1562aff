import { ANYWHERE, type Placement } from '../../../src/task/placement';
import type { TesTaskRequest } from '../../../src/task/tes';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { type Script, ScriptedWorld } from '../../support/scripted-backend';
import { newStore } from '../../support/life';

/** More than any head of the queue that was ever read at once. */
const MANY = 2100;

let bench: EngineBench;
let placements: Record<string, Placement>;
beforeEach(() => {
  placements = {};
});
afterEach(() => bench.stop());

/** `scripted` takes no new tasks, `scripted1` does. */
async function start(draining: Partial<Script> = {}, open: Partial<Script> = {}, settings = {}): Promise<EngineBench> {
  const scripts = [{ ...draining, capabilities: { draining: true, ...draining.capabilities } }, open];
  bench = await EngineBench.on(await newStore(), scripts, settings, {}, new ScriptedWorld(), placements);
  return bench;
}
const restart = async (scripts: readonly Script[], settings = {}): Promise<void> => {
  await bench.engine.stop(0);
  bench = await EngineBench.on(bench.store, scripts, settings, {}, bench.world, placements);
};

const asking = (resources: TesTaskRequest['resources']): TesTaskRequest => ({ ...REQUEST, ...(resources && { resources }) });
const at = (path: string): TesTaskRequest => ({ ...REQUEST, outputs: [{ url: `mem://${path}/out`, path: '/out', type: 'FILE' }] });
const reason = async (id: string): Promise<string> => (await bench.full(id)).logs?.at(-1)?.system_logs?.join('\n') ?? '';

interface Case {
  readonly waits: TesTaskRequest;
  readonly goes: TesTaskRequest;
  readonly draining?: Partial<Script>;
  readonly open?: Partial<Script>;
  readonly why: string;
  readonly refusing?: boolean;
  readonly labels?: boolean;
  readonly prefixes?: boolean;
}

describe('tasks that wait for something else', () => {
  it.each<[string, Case]>([
    ['their backend', { waits: asking({ backend_parameters: { backend: 'scripted' } }), goes: REQUEST, why: 'draining' }],
    [
      'a label',
      {
        labels: true,
        waits: asking({ backend_parameters: { 'label.site': 'north' } }),
        goes: asking({ backend_parameters: { 'label.site': 'south' } }),
        why: 'draining',
      },
    ],
    ['a backend that reaches their URLs', { prefixes: true, waits: at('near'), goes: at('far'), why: 'draining' }],
    ['a backend that did not refuse them', { refusing: true, waits: { ...REQUEST, name: 'picky' }, goes: REQUEST, why: 'draining' }],
    [
      'a backend that knows a strict parameter',
      {
        draining: { capabilities: { parameterKeys: ['gpus'] } },
        waits: asking({ backend_parameters: { gpus: '1' }, backend_parameters_strict: true }),
        goes: REQUEST,
        why: 'draining',
      },
    ],
    [
      'a larger backend',
      {
        draining: { capacity: { cpuCores: 64, ramGb: 64 } },
        open: { capacity: { cpuCores: 2, ramGb: 64 } },
        waits: asking({ cpu_cores: 3 }),
        goes: asking({ cpu_cores: 2 }),
        why: 'the task needs 3 CPU cores, it has 2',
      },
    ],
    [
      'room for their size, of the same class as those that fit',
      {
        draining: { capacity: { cpuCores: 64, ramGb: 64 } },
        open: { capacity: { cpuCores: 3, ramGb: 64 } },
        waits: asking({ cpu_cores: 4 }),
        goes: asking({ cpu_cores: 3 }),
        why: 'the task needs 4 CPU cores, it has 3',
      },
    ],
  ])('do not hide others, however many there are: %s', async (_name, one) => {
    if (one.labels) {
      placements = {
        scripted: { ...ANYWHERE, labels: { site: 'north' } },
        scripted1: { ...ANYWHERE, labels: { site: 'south' } },
      };
    }
    if (one.prefixes) {
      placements = { scripted: { ...ANYWHERE, urlPrefixes: ['mem://near/'] }, scripted1: { ...ANYWHERE, urlPrefixes: ['mem://far/'] } };
    }
    await start(one.draining, one.open);
    if (one.refusing) {
      jest.spyOn(bench.backends[1] ?? bench.backend, 'check').mockImplementation((...given: unknown[]) => {
        const [request] = given as [TesTaskRequest];
        return request.name === 'picky' ? ['it is too picky'] : [];
      });
    }
    const waiting = await Promise.all(Array.from({ length: MANY }, () => bench.create(one.waits)));
    const reads = jest.spyOn(bench.store, 'queueHead');
    const other = await bench.create(one.goes);
    expect(await bench.state(other, 'RUNNING')).toMatchObject({ backend: 'scripted1' });
    expect(await reason(waiting[0] ?? '')).toContain(one.why);
    expect((await bench.store.counts()).QUEUED).toBe(MANY);
    // None of them was read again and again to find that out.
    const read = await Promise.all(reads.mock.results.map(async ({ value }) => ((await value) as unknown[]).length));
    expect(read.reduce((sum, length) => sum + length, 0)).toBeLessThan(20);
  });

  it('are held against prefixes that the settings have anew, some at a time, and go on', async () => {
    placements = { scripted: { ...ANYWHERE, urlPrefixes: ['mem://near/'] } };
    await start({}, { capabilities: { draining: true } });
    const ids = await Promise.all(Array.from({ length: 150 }, () => bench.create(at('near'))));
    placements = { scripted1: { ...ANYWHERE, urlPrefixes: ['mem://near/'] }, scripted: { ...ANYWHERE, urlPrefixes: ['mem://other/'] } };
    await restart([{}, { capacity: { cpuCores: 150, ramGb: 150 } }], { parallelStaging: 150 });
    for (const id of ids) expect(await bench.state(id, 'RUNNING')).toMatchObject({ backend: 'scripted1' });
  });
});

describe('a big task', () => {
  it('gets a backend kept free although an older task waits for something else', async () => {
    await start({}, { capacity: { cpuCores: 2, ramGb: 8 } }, { bigTaskWaitMs: 0 });
    const older = await bench.create(asking({ backend_parameters: { backend: 'scripted' } }));
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const big = await bench.create(asking({ cpu_cores: 2 }));
    await bench.until(big, ({ queuedAt = 0 }) => bench.store.now() > queuedAt);
    const small = await bench.create();
    expect(await reason(small)).toContain('reserved for a big task');
    bench.backends[1]?.finish(first, 1);
    expect(await bench.state(big, 'RUNNING')).toMatchObject({ backend: 'scripted1' });
    expect([await bench.task(small), await bench.task(older)]).toMatchObject([{ state: 'QUEUED' }, { state: 'QUEUED' }]);
  });

  it('is fitted to what there is when it is assigned, not to what there was when it was created', async () => {
    await start({ capacity: { cpuCores: 4, ramGb: 8 } }, { capacity: { cpuCores: 1, ramGb: 8 }, capabilities: { draining: true } });
    const id = await bench.create(asking({ cpu_cores: 4, ram_gb: 8 }));
    let needs: unknown;
    const life: NonNullable<Script['life']> = (job) => {
      ({ needs } = job);
      return { looks: Infinity, ending: { phase: 'succeeded' } };
    };
    await restart([{ capacity: { cpuCores: 2, ramGb: 6 }, life }]);
    const task = await bench.state(id, 'RUNNING');
    expect(task).toMatchObject({ needs: { cpuCores: 4, ramGb: 8 }, given: { cpuCores: 2, ramGb: 6 } });
    expect(needs).toMatchObject({ cpuCores: 2, ramGb: 6 });
    expect(await reason(id)).toBe(
      'the task asks for 4 CPU cores and gets 2, the most that any backend has\n' +
        'the task asks for 8 GB of memory and gets 6, the most that any backend has',
    );
    expect((await bench.store.used(['scripted'])).get('scripted')).toEqual({ cpuCores: 2, ramGb: 6, slots: 1 });
  });
});

describe('limits.max_queued_seconds', () => {
  it('ends what has waited so long, and says for what; what runs is left alone', async () => {
    await start({}, { capacity: { cpuCores: 1, ramGb: 8 } }, { maxQueuedMs: 100 });
    const runs = await bench.create();
    await bench.state(runs, 'RUNNING');
    const ids = await Promise.all(Array.from({ length: 70 }, () => bench.create(asking({ backend_parameters: { backend: 'scripted' } }))));
    for (const id of ids) await bench.state(id, 'SYSTEM_ERROR');
    expect(await reason(ids[0] ?? '')).toBe(
      'timed out in the queue after 0.1 s (setting limits.max_queued_seconds): backend scripted: it is draining and takes no new tasks',
    );
    expect(await bench.task(runs)).toMatchObject({ state: 'RUNNING' });
  });

  it('is off unless it is set', async () => {
    await start();
    const id = await bench.create(asking({ backend_parameters: { backend: 'scripted' } }));
    const ends = jest.spyOn(bench.store, 'queuedBefore');
    await bench.state(await bench.create(), 'RUNNING');
    expect([ends.mock.calls.length, (await bench.task(id)).state]).toEqual([0, 'QUEUED']);
  });
});

describe('a backend without limits', () => {
  it('takes any number of tasks of any size beside one with limits', async () => {
    await start({ capabilities: { draining: false }, capacity: { cpuCores: 2, ramGb: 2 } }, { capacity: {} });
    const ids = await Promise.all(Array.from({ length: 40 }, () => bench.create()));
    const backends = new Set<string | undefined>();
    for (const id of ids) backends.add((await bench.state(id, 'RUNNING')).backend);
    expect(backends).toEqual(new Set(['scripted', 'scripted1']));
    const huge = await bench.create(asking({ cpu_cores: 100_000, ram_gb: 1e9 }));
    expect(await bench.state(huge, 'RUNNING')).toMatchObject({ backend: 'scripted1' });
    expect(JSON.stringify([...(await bench.engine.scheduler.jobs())])).not.toContain('null');
  });
});
