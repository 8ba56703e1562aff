/**
 * What a task may ask for, by name: its short name (in keys and columns of the stores, never changed), its words, and whether a task that
 * asks for more than any backend has may be given less. Another amount is another line here, and a column in the stores.
 */
export const SIZES = {
  cpuCores: { key: 'cpu', words: 'CPU cores', path: '$.resources.cpu_cores', isCut: true },
  ramGb: { key: 'ram', words: 'GB of memory', path: '$.resources.ram_gb', isCut: true },
  diskGb: { key: 'disk', words: 'GB of disk', path: '$.resources.disk_gb', isCut: false },
  gpus: { key: 'gpus', words: 'GPUs', path: '$.resources.backend_parameters.gpus', isCut: false },
} as const;
export type SizeName = keyof typeof SIZES;
export const SIZE_NAMES = Object.keys(SIZES) as readonly SizeName[];
export const CUT_NAMES = SIZE_NAMES.filter((name) => SIZES[name].isCut);
export const WHOLE_NAMES = SIZE_NAMES.filter((name) => !SIZES[name].isCut);
/** What is charged of a task. */
export interface Size {
  readonly cpuCores: number;
  readonly ramGb: number;
  /** Absent = none: counted only where they are asked for. */
  readonly diskGb?: number;
  readonly gpus?: number;
}
/** As many as there are; more than anybody can ask for by number. Only a backend that does not count them has as many. */
export const ALL_GPUS = 1000;

/** What a task takes of a backend, by name; absent = none. A slot is one task, whatever its size. */
export const AMOUNTS = [...SIZE_NAMES, 'slots'] as const;
export type AmountName = (typeof AMOUNTS)[number];
export type Amounts = Readonly<Partial<Record<AmountName, number>>>;
/** What a backend has in all; an amount that is absent is unlimited. */
export type Capacity = Amounts;

export const NOTHING: Amounts = {};

/** Ten times 0.1 cores fit into one: what sums of fractions may be off. */
export const ROUNDING = 1e-6;

export function sizeOf({ cpuCores, ramGb, diskGb, gpus }: Size): Size {
  return { cpuCores, ramGb, ...(diskGb !== undefined && { diskGb }), ...(gpus !== undefined && { gpus }) };
}

export function amountsOf(size: Size): Amounts {
  return { ...sizeOf(size), slots: 1 };
}

export function added(one: Amounts, other: Amounts, times = 1): Amounts {
  return amountsBy((name) => (one[name] ?? 0) + times * (other[name] ?? 0));
}

/** Each amount as it is told; what is none is left out. */
export function amountsBy(of: (name: AmountName) => number | undefined): Amounts {
  const amounts: { -readonly [Name in AmountName]?: number } = {};
  for (const name of AMOUNTS) {
    const amount = of(name);
    if (amount !== undefined && amount !== 0) amounts[name] = amount;
  }
  return amounts;
}

export function isSame(one: Amounts, other: Amounts): boolean {
  return AMOUNTS.every((name) => (one[name] ?? 0) === (other[name] ?? 0));
}

/** Whether there is room for `wanted` beside what is used. */
export function fits(used: Amounts, wanted: Amounts, capacity: Capacity): boolean {
  return AMOUNTS.every((name) => {
    const limit = capacity[name];
    return limit === undefined || (used[name] ?? 0) + (wanted[name] ?? 0) <= limit + ROUNDING;
  });
}

/** What is free, of what is limited. Never below 0, also where more is used than there is (a capacity was lowered). */
export function freeOf(used: Amounts, capacity: Capacity): Capacity {
  const free: { -readonly [Name in AmountName]?: number } = {};
  for (const name of AMOUNTS) {
    const limit = capacity[name];
    if (limit !== undefined) free[name] = Math.max(0, limit - (used[name] ?? 0));
  }
  return free;
}

/** The share in use, 0 to 1: the larger one of cores and slots. Without either, a number that only grows with the jobs. */
export function loadOf({ cpuCores: usedCores = 0, slots: usedSlots = 0 }: Amounts, { cpuCores, slots }: Capacity): number {
  const share = (part: number, whole: number): number => (whole > 0 ? part / whole : 1);
  const shares = [
    ...(cpuCores === undefined ? [] : [share(usedCores, cpuCores)]),
    ...(slots === undefined ? [] : [share(usedSlots, slots)]),
  ];
  return shares.length > 0 ? Math.max(...shares) : usedSlots / (usedSlots + UNLIMITED);
}
/** A backend without limits counts as half full with so many jobs, so that others get their part. */
const UNLIMITED = 1000;
