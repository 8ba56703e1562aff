import { type Candidate, roomsFor, type Selection, selectBackend } from '../../../src/engine/select-backend';
import type { BackendCapabilities } from '../../../src/ports/execution-backend';
import { ALL_GPUS, type Amounts, type Capacity, freeOf, NOTHING, ROUNDING, type Size } from '../../../src/task/amounts';
import type { TaskNeeds } from '../../../src/task/task-record';
import { NEEDS } from '../../support/records';
import { ScriptedBackend } from '../../support/scripted-backend';

const NOBODY = 'no backend can take this task: add one to the settings, or cancel the task';
const CAPABILITIES: BackendCapabilities = new ScriptedBackend().capabilities();

function candidate(name: string, changes: Partial<Candidate> & { cores?: number; used?: Candidate['used'] } = {}): Candidate {
  const { cores = 4, ...rest } = changes;
  return { name, capabilities: { ...CAPABILITIES, capacity: { cpuCores: cores, ramGb: 16 } }, used: NOTHING, ...rest };
}
function taking(cpuCores: number): Amounts {
  return { cpuCores, ramGb: 1, slots: 1 };
}
function chosen(backend: string, size: Partial<Size> = {}): Selection {
  return { kind: 'chosen', backend, size: { cpuCores: 1, ramGb: 1, ...size } };
}
function select(needs: Partial<TaskNeeds>, ...candidates: Candidate[]): ReturnType<typeof selectBackend> {
  return selectBackend('me', { ...NEEDS, ...needs }, candidates);
}

describe('the choice of a backend', () => {
  it('takes the least loaded one that fits, the first of equals', () => {
    expect(select({}, candidate('a', { used: taking(2) }), candidate('b', { used: taking(1) }))).toEqual(chosen('b'));
    expect(select({}, candidate('a'), candidate('b'))).toEqual(chosen('a'));
  });

  it('takes only the one the client asked for', () => {
    expect(select({ backend: 'b' }, candidate('a'), candidate('b', { used: taking(3) }))).toEqual(chosen('b'));
    expect(select({ backend: 'gone' }, candidate('a'))).toEqual({
      kind: 'wait',
      reasons: ['backend gone is not set up any more: set it up again, or cancel the task'],
    });
  });

  const at = (name: string, labels: Record<string, string>, urlPrefixes?: string[]): Candidate =>
    candidate(name, { placement: { labels, whenAway: { kind: 'wait' }, ...(urlPrefixes && { urlPrefixes }) } });

  it('takes only one that bears the labels asked for, and says what each bears instead', () => {
    const [north, south, plain] = [at('north', { site: 'north', gpu: 'a100' }), at('south', { site: 'south' }), candidate('plain')];
    expect(select({ labels: { site: 'south' } }, plain, north, south)).toEqual(chosen('south'));
    expect(select({ labels: { site: 'north', gpu: 'a100' } }, south, north)).toEqual(chosen('north'));
    expect(select({ labels: { site: 'north', gpu: 'h100' } }, north, plain)).toEqual({
      kind: 'wait',
      reasons: [
        NOBODY,
        'backend north: the task asks for label gpu=h100, its own is a100',
        'backend plain: the task asks for label site=north, it has none',
      ],
    });
    expect(select({ labels: { constructor: 'x' } }, plain)).toMatchObject({
      reasons: [NOBODY, 'backend plain: the task asks for label constructor=x, it has none'],
    });
    expect(select({ strict: true, parameterKeys: ['label.site'], labels: { site: 'north' } }, north)).toMatchObject({ kind: 'chosen' });
  });

  it('takes only one that reaches every folder of the task', () => {
    const near = at('near', {}, ['s3://near/']);
    expect(select({ folders: ['s3://near/in/'] }, near)).toEqual(chosen('near'));
    expect(select({}, near)).toEqual(chosen('near'));
    expect(select({ folders: ['s3://near/in/', 's3://far/out/'] }, near, candidate('all'))).toEqual(chosen('all'));
    expect(select({ folders: ['s3://far/out/'] }, near)).toEqual({
      kind: 'wait',
      reasons: [NOBODY, 'backend near: it does not reach s3://far/out/'],
    });
  });

  it('passes a backend over that said at create that it cannot', () => {
    expect(select({ refusedBy: ['a'] }, candidate('a'), candidate('b', { used: taking(3) }))).toEqual(chosen('b'));
  });

  it('counts slots as load where there are some', () => {
    const capacity = { cpuCores: 100, ramGb: 16, slots: 2 };
    const half = candidate('half', { capabilities: { ...CAPABILITIES, capacity }, used: taking(1) });
    expect(select({}, half, candidate('third', { cores: 3, used: taking(1) }))).toEqual(chosen('third'));
  });

  it('passes a backend over that does not know a strict parameter, and knows the common ones everywhere', () => {
    expect(select({ strict: true, parameterKeys: ['vmsize'] }, candidate('a'))).toMatchObject({ kind: 'wait' });
    expect(select({ strict: true, parameterKeys: ['queue', 'max_runtime_seconds'] }, candidate('a'))).toMatchObject({ kind: 'chosen' });
    expect(select({ strict: false, parameterKeys: ['vmsize'] }, candidate('a'))).toMatchObject({ kind: 'chosen' });
  });

  it.each<[string, Partial<TaskNeeds>, Candidate, string]>([
    [
      'draining',
      {},
      candidate('a', { capabilities: { ...CAPABILITIES, draining: true } }),
      'backend a: it is draining and takes no new tasks',
    ],
    ['away', {}, candidate('a', { away: 'it is away (no daemon)' }), 'backend a: it is away (no daemon)'],
    ['full', { cpuCores: 3 }, candidate('a', { used: taking(2) }), 'backend a: the task needs 3 CPU cores, 2 of 4 are free'],
    [
      'out of memory',
      { ramGb: 15.5 },
      candidate('a', { used: taking(1) }),
      'backend a: the task needs 15.5 GB of memory, 15 of 16 are free',
    ],
    ['kept free', {}, candidate('a', { heldFor: 'big' }), 'backend a: it is reserved for a big task that has waited longer'],
  ])('says why a task waits: %s', (_name, needs, one, reason) => {
    expect(select(needs, one)).toEqual({ kind: 'wait', reasons: [reason] });
  });

  it('fits a task that is larger than all of them to the roomiest, and to no other', () => {
    const [small, large, tall] = [candidate('a', { cores: 2 }), candidate('b', { cores: 8 }), candidate('c')];
    expect(select({ cpuCores: 64, ramGb: 99 }, small, large, tall)).toEqual(chosen('b', { cpuCores: 8, ramGb: 16 }));
    expect(select({ cpuCores: 8 }, small, { ...large, away: 'it is away' })).toEqual({
      kind: 'wait',
      reasons: ['backend a: the task needs 8 CPU cores, it has 2', 'backend b: it is away'],
    });
    expect(select({ cpuCores: 64, labels: { site: 'north' } }, large, at('north', { site: 'north' }))).toEqual(
      chosen('north', { cpuCores: 4 }),
    );
  });

  it('takes a backend without limits, as often as the others by its jobs, and says nothing that is no number', () => {
    const endless = (jobs: number): Candidate =>
      candidate('endless', { capabilities: { ...CAPABILITIES, capacity: {} }, used: { cpuCores: 1e9, ramGb: 1e9, slots: jobs } });
    expect(select({ cpuCores: 1e6, ramGb: 1e6 }, endless(10))).toEqual(chosen('endless', { cpuCores: 1e6, ramGb: 1e6 }));
    expect(select({}, endless(500), candidate('a', { used: taking(1) }))).toEqual(chosen('a'));
    expect(select({}, endless(5), candidate('a', { used: taking(1) }))).toEqual(chosen('endless'));
    expect(roomsFor(NEEDS, [endless(5)])).toEqual([{}]);
  });

  it('judges a class: which sizes could go on now', () => {
    const needs = { ...NEEDS, cpuCores: 3 };
    expect(roomsFor(needs, [candidate('a', { used: taking(1.5) }), candidate('b', { used: taking(2) })])).toEqual([
      { cpuCores: 2.5 + ROUNDING },
    ]);
    expect(roomsFor(needs, [candidate('a', { used: taking(2.5) })])).toEqual([]);
    expect(roomsFor(needs, [candidate('a')])).toEqual([{}]);
    expect(roomsFor(needs, [candidate('a', { away: 'it is away' }), candidate('b', { heldFor: 'me' })])).toEqual([]);
    expect(roomsFor({ ...needs, backend: 'b' }, [candidate('a')])).toEqual([]);
  });

  it('judges what is more than each backend has by the part that it would be given', () => {
    const of = (cpuCores: number, ramGb: number) => ({ ...CAPABILITIES, capacity: { cpuCores, ramGb } });
    const [cores, memory] = [
      candidate('a', { capabilities: of(64, 48) }),
      candidate('b', { capabilities: of(32, 64), away: 'it is away' }),
    ];
    const huge = { ...NEEDS, cpuCores: 5000, ramGb: 5000 };
    // Out of all sizes: what goes into a, and what goes into neither, of which a's cores and memory would be given.
    expect(roomsFor({ ...huge, cpuCores: 5000 }, [cores, memory])).toEqual([
      { above: { cpuCores: 64 + ROUNDING } },
      { above: { cpuCores: 32 + ROUNDING, ramGb: 48 + ROUNDING } },
      { above: { ramGb: 64 + ROUNDING } },
    ]);
    // A task of 60 GB waits for b; one of 40 GB goes on.
    expect(roomsFor({ ...NEEDS, cpuCores: 1, ramGb: 60 }, [cores, memory])).toEqual([{ ramGb: 48 + ROUNDING }]);
    expect(selectBackend('me', { ...NEEDS, cpuCores: 40, ramGb: 60 }, [cores, memory])).toMatchObject({
      kind: 'chosen',
      size: { cpuCores: 40, ramGb: 48 },
    });
  });

  describe('of what a task may not be given less of', () => {
    const having = (name: string, capacity: Capacity, used: Amounts = NOTHING): Candidate => ({
      name,
      capabilities: { ...CAPABILITIES, capacity: { cpuCores: 8, ramGb: 16, ...capacity } },
      used,
    });

    it('takes only what has enough, and says how many are free', () => {
      const [two, none] = [having('two', { gpus: 2 }, { gpus: 1 }), having('none', { gpus: 0, diskGb: 100 })];
      expect(select({ gpus: 1 }, none, two)).toEqual(chosen('two', { gpus: 1 }));
      expect(select({ gpus: 2, diskGb: 101 }, none, two)).toEqual({
        kind: 'wait',
        reasons: ['backend none: the task needs 101 GB of disk, it has 100', 'backend two: the task needs 2 GPUs, 1 of 2 are free'],
      });
      expect(select({ gpus: ALL_GPUS }, two)).toEqual({
        kind: 'wait',
        reasons: ['backend two: it counts its GPUs (it has 2): ask for a number of them, not for all'],
      });
      expect(select({ gpus: ALL_GPUS }, two, having('uncounted', {}))).toMatchObject({ kind: 'chosen', backend: 'uncounted' });
    });

    it('cuts the rest of it to the roomiest that has enough', () => {
      const [cores, gpus] = [having('cores', { cpuCores: 64, gpus: 0 }), having('gpus', { gpus: 4 })];
      const needs = { ...NEEDS, cpuCores: 100, gpus: 4 };
      expect(select(needs, cores, gpus)).toEqual(chosen('gpus', { cpuCores: 8, gpus: 4 }));
      expect(roomsFor(needs, [cores, gpus]).some(({ above }) => above?.cpuCores === 8 + ROUNDING)).toBe(true);
    });

    it('finds every task of a class, though their disks decide which backends are large enough', () => {
      const [small, large] = [having('small', { cpuCores: 64, diskGb: 300 }), having('large', { diskGb: 500 })];
      for (const [cpuCores, diskGb] of [
        [100, 290],
        [100, 400],
        [8, 500],
        [64, 300],
      ] as const) {
        const needs = { ...NEEDS, cpuCores, diskGb };
        const taken = select(needs, small, large).kind === 'chosen';
        // The class is judged by another of its tasks.
        const rooms = roomsFor({ ...needs, diskGb: 257 }, [small, large]);
        const found = rooms.some(
          ({ above = {}, ...most }) =>
            cpuCores <= (most.cpuCores ?? Infinity) &&
            diskGb <= (most.diskGb ?? Infinity) &&
            cpuCores > (above.cpuCores ?? -1) &&
            diskGb > (above.diskGb ?? -1),
        );
        expect([cpuCores, diskGb, taken, found]).toEqual([cpuCores, diskGb, true, true]);
      }
    });

    it('judges a backend that may grow by what there is, and what is more than that by what there may be', () => {
      const growing: Candidate = {
        ...having('a', {}),
        capabilities: { ...CAPABILITIES, capacity: { cpuCores: 4 }, atMost: { cpuCores: 16 } },
      };
      expect(select({ cpuCores: 4 }, growing)).toEqual(chosen('a', { cpuCores: 4 }));
      expect(select({ cpuCores: 16 }, growing)).toMatchObject({ kind: 'wait' });
      expect(roomsFor({ ...NEEDS, cpuCores: 16 }, [growing])).toEqual([]);
      expect(roomsFor({ ...NEEDS, cpuCores: 3 }, [growing])).toEqual([{}]);
      expect(roomsFor({ ...NEEDS, cpuCores: 3 }, [{ ...growing, used: { cpuCores: 4 } }])).toEqual([]);
    });

    it('closes a class that needs more than is free', () => {
      expect(roomsFor({ ...NEEDS, gpus: 2 }, [having('a', { gpus: 2 }, { gpus: 1 })])).toEqual([]);
      expect(roomsFor({ ...NEEDS, diskGb: 9 }, [having('a', { diskGb: 40 }, { diskGb: 35 })])).toEqual([]);
      expect(roomsFor({ ...NEEDS, diskGb: 9 }, [having('a', { diskGb: 40 }, { diskGb: 30 })])).toEqual([{ diskGb: 10 + ROUNDING }]);
      expect(roomsFor(NEEDS, [having('a', { gpus: 0, diskGb: 1 }, { diskGb: 1 })])).toEqual([{}]);
    });
  });

  it('gives a backend that is kept free to the task it is kept for', () => {
    expect(select({}, candidate('a', { heldFor: 'me' }))).toMatchObject({ kind: 'chosen' });
  });

  it('counts slots where a backend has them', () => {
    const capacity = { cpuCores: 4, ramGb: 16, slots: 1 };
    const full = candidate('a', { capabilities: { ...CAPABILITIES, capacity }, used: taking(0.1) });
    expect(freeOf(full.used, capacity).slots).toBe(0);
    expect(select({}, full)).toEqual({ kind: 'wait', reasons: ['backend a: all of its 1 slots are taken'] });
  });
});
