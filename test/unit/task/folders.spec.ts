import fc from '../../support/property';
import { hasBelow, holderOf, holdersOf, isOrHasBelow, nearestHolderOf, outermost } from '../../../src/task/folders';

/** Some of them deeper than is looked up level by level. */
const folder = fc
  .tuple(fc.constantFrom(0, 15, 30), fc.array(fc.constantFrom('a', 'b', 'a b', 'a.b', 'ab', '~'), { minLength: 0, maxLength: 4 }))
  .map(([depth, names]) => `/${'d/'.repeat(depth)}${names.map((name) => `${name}/`).join('')}`);

it('finds what lies in what, as comparing each with each does', () => {
  fc.assert(
    fc.property(fc.array(folder, { maxLength: 12 }), folder, (all, one) => {
      const kept = outermost(new Set(all));
      expect(new Set(kept)).toEqual(new Set(all.filter((inner) => !all.some((outer) => outer !== inner && inner.startsWith(outer)))));
      const holder = holderOf(kept, one);
      expect(holder === undefined ? undefined : kept[holder]).toBe(kept.find((outer) => one.startsWith(outer)));
      const sorted = [...new Set(all)].sort();
      expect(hasBelow(sorted, one)).toBe(all.some((inner) => inner !== one && inner.startsWith(one)));
      expect(isOrHasBelow(sorted, one)).toBe(all.some((inner) => inner.startsWith(one)));
      const nearest = (inner: string, outers: readonly string[]): string | undefined =>
        outers.filter((outer) => inner.startsWith(outer)).sort((a, b) => b.length - a.length)[0];
      const holders = holdersOf(sorted);
      expect(holders.map((at) => (at === undefined ? undefined : sorted[at]))).toEqual(
        sorted.map((inner) =>
          nearest(
            inner,
            sorted.filter((outer) => outer !== inner),
          ),
        ),
      );
      const at = nearestHolderOf(sorted, holders, one);
      expect(at === undefined ? undefined : sorted[at]).toBe(nearest(one, sorted));
    }),
    { numRuns: 1000 },
  );
});
