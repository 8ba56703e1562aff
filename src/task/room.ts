import type { TaskNeeds, TaskRecord, TaskStep } from './task-record';

/** What a task takes of a backend, by name. A slot is one task, whatever its size. */
export const AMOUNTS = ['cpuCores', 'ramGb', 'slots'] as const;
export type Amounts = Readonly<Record<(typeof AMOUNTS)[number], number>>;
/** What a backend has in all; an amount that is absent is unlimited. */
export type Capacity = Readonly<Partial<Amounts>>;

export const NOTHING: Amounts = { cpuCores: 0, ramGb: 0, slots: 0 };

/** Ten times 0.1 cores fit into one: what sums of fractions may be off. */
export const ROUNDING = 1e-6;

/** States in which an assigned task uses room: what has ended does not, though its remains may still be there. */
export const ROOM_STATES = ['INITIALIZING', 'RUNNING', 'CANCELING'] as const;
const USES_ROOM: ReadonlySet<string> = new Set(ROOM_STATES);
/** Nothing runs, and it may take a day. */
export const ROOMLESS_STEP = 'await-storage' satisfies TaskStep;

/** Under which key room is counted: a backend's name, with the instance where each has its own. */
export function roomKey(backend: string, boundTo: string | undefined): string {
  return boundTo === undefined ? backend : `${backend}@${boundTo}`;
}

/** The room that a task uses now, if it uses any. */
export function roomOf(task: TaskRecord): { readonly key: string; readonly amounts: Amounts } | undefined {
  if (task.backend === undefined || !USES_ROOM.has(task.state) || task.step === ROOMLESS_STEP) return undefined;
  return { key: roomKey(task.backend, task.boundTo), amounts: amountsOf(task.given ?? task.needs) };
}

export function amountsOf({ cpuCores, ramGb }: Pick<TaskNeeds, 'cpuCores' | 'ramGb'>): Amounts {
  return { cpuCores, ramGb, slots: 1 };
}

export function added(one: Amounts, other: Amounts, times = 1): Amounts {
  return {
    cpuCores: one.cpuCores + times * other.cpuCores,
    ramGb: one.ramGb + times * other.ramGb,
    slots: one.slots + times * other.slots,
  };
}

/** Whether there is room for `wanted` beside what is used. */
export function fits(used: Amounts, wanted: Amounts, capacity: Capacity): boolean {
  return AMOUNTS.every((name) => {
    const limit = capacity[name];
    return limit === undefined || used[name] + wanted[name] <= limit + ROUNDING;
  });
}

/** What is free, of what is limited. Never below 0, also where more is used than there is (a capacity was lowered). */
export function freeOf(used: Amounts, capacity: Capacity): Capacity {
  const free: { -readonly [Name in keyof Capacity]: Capacity[Name] } = {};
  for (const name of AMOUNTS) {
    const limit = capacity[name];
    if (limit !== undefined) free[name] = Math.max(0, limit - used[name]);
  }
  return free;
}

/** The share in use, 0 to 1: the larger one of cores and slots. Without either, a number that only grows with the jobs. */
export function loadOf(used: Amounts, { cpuCores, slots }: Capacity): number {
  const share = (part: number, whole: number): number => (whole > 0 ? part / whole : 1);
  const shares = [
    ...(cpuCores === undefined ? [] : [share(used.cpuCores, cpuCores)]),
    ...(slots === undefined ? [] : [share(used.slots, slots)]),
  ];
  return shares.length > 0 ? Math.max(...shares) : used.slots / (used.slots + UNLIMITED);
}
/** A backend without limits counts as half full with so many jobs, so that others get their part. */
const UNLIMITED = 1000;
