import type { Placement, WhenAway } from '../../../src/task/placement';
import type { TesTaskRequest } from '../../../src/task/tes';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { newStore } from '../../support/life';
import { AnonymousPrincipal } from '../../support/principals';
import { type Script, ScriptedWorld } from '../../support/scripted-backend';

/** Longer than any test: what waits for a tick never comes. */
const NEVER_MS = 3_600_000;
const ROOMY: Script = { capacity: { cpuCores: 100, ramGb: 100 } };
const WAIT: WhenAway = { kind: 'wait' };
const NEAR: Record<string, Placement> = { scripted: { labels: {}, urlPrefixes: ['mem://near/'], whenAway: WAIT } };
const at = (path: string): TesTaskRequest => ({ ...REQUEST, outputs: [{ url: `mem://${path}/out`, path: '/out', type: 'FILE' }] });

let bench: EngineBench;
afterEach(() => bench.stop());

/** The same tasks, by a gateway with other settings. */
async function restarted(scripts: readonly Script[], placements: Record<string, Placement> = {}): Promise<void> {
  const { store, world } = bench;
  await bench.engine.stop(0);
  bench = await EngineBench.on(store, scripts, { tickMs: NEVER_MS }, {}, world, placements);
  bench.skipIds(10_000);
}

describe('url_prefixes that come after the tasks', () => {
  beforeEach(async () => {
    bench = await EngineBench.on(await newStore(), { capabilities: { draining: true } });
  });

  it('close no class for tasks without URLs, old or new', async () => {
    const [near, plain] = [await bench.create(at('near')), await bench.create()];
    const big = await bench.create({ ...at('near'), resources: { cpu_cores: 4 } });
    await restarted([ROOMY], NEAR);
    for (const id of [near, plain, big, await bench.create()]) await bench.state(id, 'RUNNING');
  });

  it('let none that is not reached hide one that is', async () => {
    await bench.create();
    await Promise.all(Array.from({ length: 1000 }, () => bench.create(at('far'))));
    const near = await bench.create(at('near'));
    await restarted([ROOMY], NEAR);
    await bench.state(near, 'RUNNING');
  });
});

describe('a task that could go on', () => {
  it('is not hidden by those that only the backend with the most memory can take', async () => {
    bench = await EngineBench.on(await newStore(), [
      { capacity: { cpuCores: 64, ramGb: 48 } },
      { capacity: { cpuCores: 32, ramGb: 64 }, capabilities: { draining: true } },
    ]);
    await Promise.all(Array.from({ length: 1000 }, () => bench.create({ ...REQUEST, resources: { ram_gb: 60 } })));
    await bench.state(await bench.create({ ...REQUEST, resources: { ram_gb: 40 } }), 'RUNNING');
  });

  it('is not late because of the pauses of a thousand others that end with its own', async () => {
    bench = await EngineBench.on(await newStore(), [{ capabilities: { draining: true } }, { capabilities: { draining: true } }]);
    const wish = (backend: string): TesTaskRequest => ({ ...REQUEST, resources: { backend_parameters: { backend } } });
    const ids = await Promise.all(Array.from({ length: 1200 }, () => bench.create(wish('scripted'))));
    ids.push(await bench.create(wish('scripted1')));
    const over = bench.store.now() + 1500;
    for (const [index, id] of ids.entries()) {
      const task = await bench.task(id);
      await bench.store.update({ ...task, revision: task.revision + 1, notBefore: over + (index < 1200 ? 0 : 1) }, task.revision);
    }
    await restarted([{ capabilities: { draining: true } }, {}]);
    await bench.state(ids.at(-1) ?? '', 'RUNNING');
  });

  it('gets the room of one that is cancelled, whose job on another backend is ended next', async () => {
    let isCut = false;
    const pollMs = { first: 10, longest: 20 };
    const [north, south] = [new ScriptedWorld(), new ScriptedWorld()];
    bench = await EngineBench.on(
      await newStore(),
      [
        { ...ROOMY, world: north, onCall: () => (isCut ? 'away' : undefined), capabilities: { pollMs } },
        { world: south, capacity: { cpuCores: 1, ramGb: 8 }, capabilities: { pollMs } },
      ],
      {
        tickMs: NEVER_MS,
        healthMs: 20,
        retry: { attempts: 3, firstDelayMs: 10, longestDelayMs: 20, patienceMs: 50, storagePatienceMs: 60_000, outputPatienceMs: 60_000 },
      },
      {},
      undefined,
      {
        scripted: { labels: { site: 'north' }, whenAway: { kind: 'move', afterMs: 80 } },
        scripted1: { labels: { site: 'south' }, whenAway: WAIT },
      },
    );
    const id = await bench.create();
    await bench.state(id, 'RUNNING');
    isCut = true;
    await bench.until(id, ({ attempt, state }) => attempt === 2 && state === 'RUNNING');
    const next = await bench.create({ ...REQUEST, resources: { backend_parameters: { 'label.site': 'south' } } });
    await bench.service.cancel(AnonymousPrincipal, id);
    await bench.state(next, 'RUNNING');
    expect(await bench.task(id)).toMatchObject({ state: 'CANCELING', backend: 'scripted' });
  });
});
