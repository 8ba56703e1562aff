import { type Candidate, freeOf, selectBackend } from '../../../src/engine/select-backend';
import type { BackendCapabilities } from '../../../src/ports/execution-backend';
import type { TaskNeeds } from '../../../src/task/task-record';
import { NEEDS } from '../../engine/records';
import { ScriptedBackend } from '../../engine/scripted-backend';

const CAPABILITIES: BackendCapabilities = new ScriptedBackend().capabilities();

function candidate(name: string, changes: Partial<Candidate> & { cores?: number; used?: Candidate['used'] } = {}): Candidate {
  const { cores = 4, ...rest } = changes;
  return { name, capabilities: { ...CAPABILITIES, capacity: { cpuCores: cores, ramGb: 16 } }, used: [], ...rest };
}
function taking(cpuCores: number, taskId = 'other'): Candidate['used'][number] {
  return { taskId, attempt: 1, cpuCores, ramGb: 1 };
}
function select(needs: Partial<TaskNeeds>, ...candidates: Candidate[]): ReturnType<typeof selectBackend> {
  return selectBackend('me', { ...NEEDS, ...needs }, candidates);
}

describe('the choice of a backend', () => {
  it('takes the least loaded one that fits, the first of equals', () => {
    expect(select({}, candidate('a', { used: [taking(2)] }), candidate('b', { used: [taking(1)] }))).toEqual({
      kind: 'chosen',
      backend: 'b',
    });
    expect(select({}, candidate('a'), candidate('b'))).toEqual({ kind: 'chosen', backend: 'a' });
  });

  it('takes only the one the client asked for', () => {
    expect(select({ backend: 'b' }, candidate('a'), candidate('b', { used: [taking(3)] }))).toEqual({ kind: 'chosen', backend: 'b' });
    expect(select({ backend: 'gone' }, candidate('a'))).toEqual({ kind: 'wait', reasons: ['backend gone is not set up on this server'] });
  });

  const at = (name: string, labels: Record<string, string>, urlPrefixes?: string[]): Candidate =>
    candidate(name, { placement: { labels, whenAway: { kind: 'wait' }, ...(urlPrefixes && { urlPrefixes }) } });

  it('takes only one that bears the labels asked for, and says what each bears instead', () => {
    const [north, south, plain] = [at('north', { site: 'north', gpu: 'a100' }), at('south', { site: 'south' }), candidate('plain')];
    expect(select({ labels: { site: 'south' } }, plain, north, south)).toEqual({ kind: 'chosen', backend: 'south' });
    expect(select({ labels: { site: 'north', gpu: 'a100' } }, south, north)).toEqual({ kind: 'chosen', backend: 'north' });
    expect(select({ labels: { site: 'north', gpu: 'h100' } }, north, plain)).toEqual({
      kind: 'wait',
      reasons: [
        'no backend can take this task',
        'backend north: the task asks for label gpu=h100, its own is a100',
        'backend plain: the task asks for label site=north, it has none',
      ],
    });
    expect(select({ labels: { constructor: 'x' } }, plain)).toMatchObject({
      reasons: ['no backend can take this task', 'backend plain: the task asks for label constructor=x, it has none'],
    });
    expect(select({ strict: true, parameterKeys: ['label.site'], labels: { site: 'north' } }, north)).toMatchObject({ kind: 'chosen' });
  });

  it('takes only one that reaches every folder of the task', () => {
    const near = at('near', {}, ['s3://near/']);
    expect(select({ folders: ['s3://near/in/'] }, near)).toEqual({ kind: 'chosen', backend: 'near' });
    expect(select({}, near)).toEqual({ kind: 'chosen', backend: 'near' });
    expect(select({ folders: ['s3://near/in/', 's3://far/out/'] }, near, candidate('all'))).toEqual({ kind: 'chosen', backend: 'all' });
    expect(select({ folders: ['s3://far/out/'] }, near)).toEqual({
      kind: 'wait',
      reasons: ['no backend can take this task', 'backend near: it does not reach s3://far/out/'],
    });
  });

  it('passes a backend over that said at create that it cannot', () => {
    expect(select({ refusedBy: ['a'] }, candidate('a'), candidate('b', { used: [taking(3)] }))).toEqual({ kind: 'chosen', backend: 'b' });
  });

  it('counts slots as load where there are some', () => {
    const capacity = { cpuCores: 100, ramGb: 16, slots: 2 };
    const half = candidate('half', { capabilities: { ...CAPABILITIES, capacity }, used: [taking(1)] });
    expect(select({}, half, candidate('third', { cores: 3, used: [taking(1)] }))).toEqual({ kind: 'chosen', backend: 'third' });
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
    ['full', { cpuCores: 3 }, candidate('a', { used: [taking(2)] }), 'backend a: the task needs 3 CPU cores, 2 of 4 are free'],
    ['too small', { cpuCores: 9 }, candidate('a'), 'backend a: the task needs 9 CPU cores, it has 4'],
    [
      'out of memory',
      { ramGb: 15.5 },
      candidate('a', { used: [taking(1)] }),
      'backend a: the task needs 15.5 GB of memory, 15 of 16 are free',
    ],
    ['kept free', {}, candidate('a', { heldFor: 'big' }), 'backend a: it is kept free for a big task that has waited longer'],
  ])('says why a task waits: %s', (_name, needs, one, reason) => {
    expect(select(needs, one)).toEqual({ kind: 'wait', reasons: [reason] });
  });

  it('gives a backend that is kept free to the task it is kept for', () => {
    expect(select({}, candidate('a', { heldFor: 'me' }))).toMatchObject({ kind: 'chosen' });
  });

  it('counts slots where a backend has them', () => {
    const capacity = { cpuCores: 4, ramGb: 16, slots: 1 };
    const full = candidate('a', { capabilities: { ...CAPABILITIES, capacity }, used: [taking(0.1)] });
    expect(freeOf(full).slots).toBe(0);
    expect(select({}, full)).toEqual({ kind: 'wait', reasons: ['backend a: all of its 1 slots are taken'] });
  });
});
