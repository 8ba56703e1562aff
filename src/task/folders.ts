/**
 * Directories as texts that end in a slash, so that "lies in" means "begins with". Everything here costs a few look-ups of each, a sort
 * or a binary search: a task may name tens of thousands of them.
 */

/** How many of the directories above one are looked up. Each costs its length, so that all of a deep one would cost the square of it. */
const LEVELS_LOOKED_UP = 16;

/**
 * Whether one of the directories above a path is so, each given by its length with its slash; `undefined` when none of the upper ones is
 * and there are more than those.
 */
export function isBelowOne(path: string, isSo: (length: number) => boolean): boolean | undefined {
  for (let level = 0, slash = 0; level <= LEVELS_LOOKED_UP; level++, slash = path.indexOf('/', slash + 1)) {
    if (slash < 0 || slash === path.length - 1) return false;
    if (isSo(slash + 1)) return true;
  }
  return undefined;
}

/** Those that lie in none of the others, in order. */
export function outermost(folders: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  // Most of many lie in a few: those are not sorted.
  for (const folder of [...folders].filter((one) => !isBelowOne(one, (length) => folders.has(one.slice(0, length)))).sort()) {
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

/** Of each of `sorted` (in order; they may lie in each other) the index of the nearest one that it lies in. */
export function holdersOf(sorted: readonly string[]): readonly (number | undefined)[] {
  const open: number[] = [];
  return sorted.map((folder, index) => {
    while (open.length > 0 && !folder.startsWith(sorted[open.at(-1) ?? 0] ?? '')) open.pop();
    const holder = open.at(-1);
    open.push(index);
    return holder;
  });
}

/** Index of the nearest one of `sorted` that holds `folder`, or is it. `holders` as `holdersOf` gives them. */
export function nearestHolderOf(sorted: readonly string[], holders: readonly (number | undefined)[], folder: string): number | undefined {
  const before = countWhile(sorted, (one) => one <= folder) - 1;
  const nearest = sorted[before];
  if (nearest === undefined) return undefined;
  // What holds it holds the one before it, too, or is that.
  const common = commonLength(nearest, folder);
  let index: number | undefined = before;
  while (index !== undefined && (sorted[index]?.length ?? 0) > common) index = holders[index];
  return index;
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one.charCodeAt(length) === other.charCodeAt(length)) length++;
  return length;
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
