/**
 * Directories as texts that end in a slash, so that "lies in" means "begins with". Everything here costs a sort or a binary search: a
 * task may name tens of thousands of them.
 */

/** Those that lie in none of the others, in order. */
export function outermost(folders: Iterable<string>): string[] {
  const kept: string[] = [];
  for (const folder of [...new Set(folders)].sort()) {
    const last = kept.at(-1);
    // In order, what lies in a folder follows it at once.
    if (last === undefined || !folder.startsWith(last)) kept.push(folder);
  }
  return kept;
}

/** Index of the one that holds `folder`, or is it; `undefined` when none does. `sorted` as `outermost` gives them. */
export function holderOf(sorted: readonly string[], folder: string): number | undefined {
  const index = countWhile(sorted, (one) => one <= folder) - 1;
  const candidate = sorted[index];
  return candidate !== undefined && folder.startsWith(candidate) ? index : undefined;
}

/** Whether one of `sorted` (in order; they may lie in each other) lies below `folder`, and is not `folder` itself. */
export function hasBelow(sorted: readonly string[], folder: string): boolean {
  return sorted[countWhile(sorted, (one) => one <= folder)]?.startsWith(folder) ?? false;
}

/** As `hasBelow`, or `folder` is one of them. */
export function isOrHasBelow(sorted: readonly string[], folder: string): boolean {
  return sorted[countWhile(sorted, (one) => one < folder)]?.startsWith(folder) ?? false;
}

/** How many of the list, from its beginning, are so: by halving it. */
function countWhile(sorted: readonly string[], isSo: (one: string) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isSo(sorted[middle] ?? '')) low = middle + 1;
    else high = middle;
  }
  return low;
}
