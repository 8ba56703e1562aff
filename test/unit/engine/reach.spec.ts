import { isUnjudged, judged } from '../../../src/engine/reach';
import { ANYWHERE, type Placement } from '../../../src/task/placement';
import { NEEDS } from '../../support/records';

const at = (...urlPrefixes: string[]): Placement => ({ ...ANYWHERE, urlPrefixes });

describe('prefixes that a task is held against', () => {
  const needs = { ...NEEDS, folders: ['s3://near/in/'] };

  it('are judged once each; what is known stays, so that gateways with other backends add to it', () => {
    const [near, far] = [at('s3://near/'), at('s3://far/', 's3://farther/')];
    const first = judged(needs, [near, ANYWHERE]);
    expect([isUnjudged(first, near), isUnjudged(first, far), isUnjudged(first, ANYWHERE)]).toEqual([false, true, false]);
    const both = judged(first, [far]);
    expect(Object.values(both.reaches ?? {}).toSorted()).toEqual([false, true]);
    expect(judged(both, [at('s3://farther/', 's3://far/'), near])).toBe(both);
  });

  it('say nothing of a task without URLs', () => {
    expect(judged(NEEDS, [at('s3://near/')])).toBe(NEEDS);
    expect(isUnjudged(NEEDS, at('s3://near/'))).toBe(false);
  });
});
