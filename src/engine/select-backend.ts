import type { BackendCapabilities } from '../ports/execution-backend';
import type { SizeRange } from '../ports/store/task-queue';
import { unsupportedParameters } from '../task/backend-parameters';
import { ANYWHERE, labelKeys, type Placement } from '../task/placement';
import { rangeOf } from '../task/queue-class';
import {
  ALL_GPUS,
  type Amounts,
  type Capacity,
  CUT_NAMES,
  fits,
  freeOf,
  loadOf,
  NOTHING,
  ROUNDING,
  type Size,
  SIZE_NAMES,
  WHOLE_NAMES,
  SIZES,
  sizeOf,
  type SizeName,
} from '../task/amounts';
import type { TaskNeeds } from '../task/task-record';
import { uncovered } from '../task/url-folders';
import { isUnjudged } from './reach';

/** One backend as the Scheduler sees it in one pass. */
export interface Candidate {
  readonly name: string;
  /** Name and gateway of one that is bound to its gateway; else its name. */
  readonly key?: string;
  readonly capabilities: Pick<BackendCapabilities, 'parameterKeys' | 'capacity' | 'atMost' | 'draining' | 'boundToInstance'>;
  /** Gateways that have it, where this one does not: it counts for what a task may be given, and is never chosen here. */
  readonly elsewhere?: readonly string[];
  /** Absent = no labels, reaches every URL. */
  readonly placement?: Placement;
  /** Away, with the public reason; absent = healthy. */
  readonly away?: string;
  readonly used: Amounts;
  /** Kept free for a big task that has waited too long: its id. */
  readonly heldFor?: string;
}

export type Selection =
  /** `size`: what the task is given there. */
  | { readonly kind: 'chosen'; readonly backend: string; readonly size: Size }
  /** None can take it now; one public sentence per backend that could ever. */
  | { readonly kind: 'wait'; readonly reasons: readonly string[] };

export interface Mismatch {
  /** `wish`: the task asks for another one, by name or label, which says nothing of the task itself. */
  readonly of: 'wish' | 'parameter' | 'task';
  readonly reason: string;
}

/**
 * Why a backend can never take such a task, whatever its load: the wishes (name, labels), the parameters, URLs it does not reach, its own
 * word at create. `undefined` = it can.
 */
export function mismatch(
  needs: TaskNeeds,
  {
    name,
    key = name,
    capabilities,
    placement = ANYWHERE,
  }: Pick<Candidate, 'name' | 'key' | 'placement'> & { readonly capabilities: Parameters },
): Mismatch | undefined {
  if (needs.backend !== undefined && needs.backend !== name) return { of: 'wish', reason: `the task asks for backend ${needs.backend}` };
  for (const [label, value] of Object.entries(needs.labels ?? {})) {
    const own = Object.hasOwn(placement.labels, label) ? placement.labels[label] : undefined;
    if (own === value) continue;
    return { of: 'wish', reason: `the task asks for label ${label}=${value}, ${own === undefined ? 'it has none' : `its own is ${own}`}` };
  }
  const { urlPrefixes } = placement;
  const folder = urlPrefixes === undefined ? undefined : uncovered(needs.folders ?? [], urlPrefixes);
  if (folder !== undefined) return { of: 'task', reason: `it does not reach ${folder}` };
  if (needs.refusedBy?.some((refuser) => refuser === name || refuser === key)) return { of: 'task', reason: 'it refused this task' };
  if (!needs.strict) return undefined;
  const unknown = unsupportedParameters(needs.parameterKeys, [...capabilities.parameterKeys, ...labelKeys(placement)]);
  return unknown.length > 0 ? { of: 'parameter', reason: `it does not support backend parameter ${unknown.join(', ')}` } : undefined;
}

type Parameters = Pick<BackendCapabilities, 'parameterKeys'>;

/**
 * Chooses the backend for a task: it fits (wishes, parameters, free room), reaches the task's URLs, is healthy and takes new tasks; of
 * those, the one with the smallest load; of equals, the first in the settings. Pure.
 */
export function selectBackend(taskId: string, needs: TaskNeeds, candidates: readonly Candidate[]): Selection {
  const reasons: string[] = [];
  const unfit: string[] = [];
  const able: Candidate[] = [];
  for (const candidate of candidates) {
    const never = mismatch(needs, candidate);
    if (never === undefined) able.push(candidate);
    else unfit.push(`${named(candidate)}: ${never.reason}`);
  }
  const large = able.filter((candidate) => lack(needs, wholeOf(candidate.capabilities)) === undefined);
  const size = fitted(
    needs,
    (large.length > 0 ? large : able).map(({ capabilities }) => wholeOf(capabilities)),
  );
  let best: { readonly name: string; readonly load: number } | undefined;
  for (const candidate of able) {
    const reason = cannotNow(taskId, size, candidate);
    const load = loadOf(candidate.used, capacityOf(candidate));
    if (reason !== undefined) reasons.push(`${named(candidate)}: ${reason}`);
    else if (!best || load < best.load) best = { name: candidate.name, load };
  }
  if (best) return { kind: 'chosen', backend: best.name, size };
  if (reasons.length > 0) return { kind: 'wait', reasons };
  const isThere = needs.backend === undefined || candidates.some(({ name }) => name === needs.backend);
  if (!isThere) {
    return { kind: 'wait', reasons: [`backend ${needs.backend} is not set up any more: set it up again, or cancel the task`] };
  }
  const own = needs.backend === undefined ? unfit : unfit.filter((reason) => /^backend ([^ ]*?):? /.exec(reason)?.[1] === needs.backend);
  return { kind: 'wait', reasons: ['no backend can take this task: add one to the settings, or cancel the task', ...own] };
}

/**
 * What a task is given: what it needs, or, where that is more than each of the backends has in all, as much as the roomiest of them has.
 * Capacities change, so it is worked out when the task is assigned.
 */
export function fitted(needs: Size, capacities: readonly Capacity[]): Size {
  const size = sizeOf(needs);
  const roomiest = roomiestOf(capacities);
  const isWhole = (capacity: Capacity): boolean => CUT_NAMES.every((name) => (size[name] ?? 0) <= (capacity[name] ?? Infinity) + ROUNDING);
  if (roomiest === undefined || capacities.some(isWhole)) return size;
  return { ...size, ...Object.fromEntries(CUT_NAMES.map((name) => [name, Math.min(size[name] ?? 0, roomiest[name] ?? Infinity)])) };
}

/** Why a backend is too small for a task that may not be given less; `undefined` = it is not. */
export function lack(needs: Size, capacity: Capacity): string | undefined {
  for (const name of WHOLE_NAMES) {
    const reason = shortage(name, needs[name], undefined, capacity[name]);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function roomiestOf(capacities: readonly Capacity[]): Capacity | undefined {
  const size = ({ cpuCores = Infinity, ramGb = Infinity }: Capacity): readonly [number, number] => [cpuCores, ramGb];
  return capacities.reduce<Capacity | undefined>((best, one) => {
    if (best === undefined) return one;
    const [[cpu, ram], [bestCpu, bestRam]] = [size(one), size(best)];
    return cpu > bestCpu || (cpu === bestCpu && ram > bestRam) ? one : best;
  }, undefined);
}

/** The backends that could take such a task when they are empty: healthy, taking new tasks, kept free for nobody. */
export function homesOf(needs: TaskNeeds, candidates: readonly Candidate[]): Candidate[] {
  const size = fitted(needs, capacitiesFor(needs, candidates, needs));
  return openFor(needs, candidates).filter((candidate) => fits(NOTHING, size, capacityOf(candidate)));
}

/** The same whatever the size. Where the class was not held against a backend's prefixes it is closed until that is done. */
function openFor(needs: TaskNeeds, candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(
    (candidate) =>
      isOpen(candidate) &&
      candidate.heldFor === undefined &&
      !isUnjudged(needs, candidate.placement ?? ANYWHERE) &&
      mismatch(needs, candidate) === undefined,
  );
}

/** Of the backends that could take a task of such needs, and at least that size, if they were there: what they have in all. */
function capacitiesFor(needs: TaskNeeds, candidates: readonly Candidate[], least: Size): Capacity[] {
  const able = candidates.filter((candidate) => mismatch(needs, candidate) === undefined).map(({ capabilities }) => wholeOf(capabilities));
  const large = able.filter((capacity) => lack(least, capacity) === undefined);
  return large.length > 0 ? large : able;
}

export function isOpen({ capabilities, away, elsewhere }: Candidate): boolean {
  return !capabilities.draining && away === undefined && elsewhere === undefined;
}

/** Room for the smallest of tasks: every task needs some of everything. */
export function hasRoom(candidate: Candidate): boolean {
  const { slots = Infinity, cpuCores = Infinity, ramGb = Infinity } = freeOf(candidate.used, capacityOf(candidate));
  return slots >= 1 && cpuCores > ROUNDING && ramGb > ROUNDING;
}

/**
 * The sizes that may be taken now out of a class of tasks: by each backend that is open for it what is free there; and what is more than
 * each of the backends has in all, where the part that it is given is free. Empty when the class is closed: no task of it can go on.
 */
export function roomsFor(needs: TaskNeeds, candidates: readonly Candidate[], empty = false): readonly SizeRange[] {
  const open = openFor(needs, candidates).filter((candidate) => empty || hasRoom(candidate));
  const range = (free: Capacity, most: Capacity | undefined): SizeRange =>
    Object.fromEntries(
      SIZE_NAMES.flatMap((name) => {
        const least = bound(free[name], SIZES[name].isCut ? most?.[name] : undefined);
        return least !== undefined && least < rangeOf(needs, name).most ? [[name, least]] : [];
      }),
    );
  const rooms = sizesApart(needs, candidates)
    .flatMap((least) => {
      const capacities = capacitiesFor(needs, candidates, least);
      const most = roomiestOf(capacities);
      const beyond = beyondAll(capacities);
      return open.flatMap((candidate): SizeRange[] => {
        const free = freeOf(empty ? NOTHING : candidate.used, capacityOf(candidate));
        return [range(free, undefined), ...beyond.map((above) => ({ ...range(free, most), above }))];
      });
    })
    .filter((room) => SIZE_NAMES.every((name) => (room[name] ?? Infinity) >= rangeOf(needs, name).least))
    .filter(({ above = {}, ...room }) => SIZE_NAMES.every((name) => (room[name] ?? rangeOf(needs, name).most) > (above[name] ?? -1)));
  // What goes into one of them goes into a larger one.
  return rooms.filter(
    (room, index) => !rooms.some((other, at) => at !== index && isWithin(room, other) && (at < index || !isWithin(other, room))),
  );
}

/** The least that tasks of a class may need where it decides which backends are large enough: the disks of backends that are told apart by it. */
function sizesApart(needs: TaskNeeds, candidates: readonly Candidate[]): readonly Size[] {
  const { least, most } = rangeOf(needs, 'diskGb');
  const disks = candidates
    .map(({ capabilities }) => wholeOf(capabilities).diskGb ?? Infinity)
    .filter((disk) => disk > least && disk < most);
  return [least, ...new Set(disks)].map((disk) => ({ ...needs, ...(needs.diskGb !== undefined && { diskGb: disk + 2 * ROUNDING }) }));
}

/** The sizes that are more than each of these has, as corners: more cores and more memory than a corner says. */
function beyondAll(capacities: readonly Capacity[]): readonly Amounts[] {
  const boxes = capacities
    .map(({ cpuCores = Infinity, ramGb = Infinity }) => [cpuCores, ramGb] as const)
    .sort((one, other) => other[0] - one[0]);
  const corners: (readonly [number, number])[] = [];
  let cores = Infinity;
  let memory = -1;
  // From the most cores downwards: only those with more memory than any before stand out.
  for (const [cpu, ram] of boxes) {
    if (ram <= memory) continue;
    corners.push([cpu, memory]);
    [cores, memory] = [cpu, ram];
  }
  if (cores < Infinity || memory >= 0) corners.push([-1, memory]);
  return corners
    .filter(([cpu, ram]) => cpu < Infinity && ram < Infinity && (cpu >= 0 || ram >= 0))
    .map(([cpu, ram]) => ({ ...(cpu >= 0 && { cpuCores: cpu + ROUNDING }), ...(ram >= 0 && { ramGb: ram + ROUNDING }) }));
}

/** `room` takes nothing that `other` does not take. */
function isWithin(room: SizeRange, other: SizeRange): boolean {
  return SIZE_NAMES.every(
    (name) => (room[name] ?? Infinity) <= (other[name] ?? Infinity) && (room.above?.[name] ?? -1) >= (other.above?.[name] ?? -1),
  );
}

/** `most`: of what is more, so much is given. */
function bound(free: number | undefined, most = Infinity): number | undefined {
  return free === undefined || free >= most - ROUNDING ? undefined : free + ROUNDING;
}

/** The most that a backend has, now or when it has grown. */
export function wholeOf({ capacity, atMost }: Pick<BackendCapabilities, 'capacity' | 'atMost'>): Capacity {
  return atMost ?? capacity;
}

/** What it has now. */
function capacityOf({ capabilities }: Candidate): Capacity {
  return capabilities.capacity;
}

function named({ name, elsewhere }: Candidate): string {
  return elsewhere === undefined ? `backend ${name}` : `backend ${name} of gateway ${elsewhere.join(', ')}`;
}

function cannotNow(taskId: string, size: Size, candidate: Candidate): string | undefined {
  if (candidate.capabilities.draining) return 'it is draining and takes no new tasks';
  if (candidate.away !== undefined) return candidate.away;
  const { capacity } = candidate.capabilities;
  const whole = wholeOf(candidate.capabilities);
  const free = freeOf(candidate.used, capacity);
  if (free.slots !== undefined && free.slots < 1) return `all of its ${capacity.slots ?? 0} slots are taken`;
  for (const name of SIZE_NAMES) {
    const reason = shortage(name, size[name], free[name], capacity[name], whole[name]);
    if (reason !== undefined) return reason;
  }
  if (candidate.elsewhere !== undefined) return 'its gateway has not taken the task yet';
  if (candidate.heldFor !== undefined && candidate.heldFor !== taskId) return 'it is reserved for a big task that has waited longer';
  return undefined;
}

/** `free` absent: only whether it could ever be. */
function shortage(name: SizeName, wanted = 0, free: number | undefined, now: number | undefined, whole = now): string | undefined {
  const what = SIZES[name].words;
  if (now === undefined) return undefined;
  if (whole !== undefined && wanted > now + ROUNDING && wanted <= whole + ROUNDING) {
    return `the task needs ${round(wanted)} ${what}, it has ${round(now)} and may grow to ${round(whole)}`;
  }
  if (name === 'gpus' && wanted === ALL_GPUS) return `it counts its GPUs (it has ${round(now)}): ask for a number of them, not for all`;
  if (wanted > now + ROUNDING) return `the task needs ${round(wanted)} ${what}, it has ${round(whole ?? now)}`;
  return free !== undefined && wanted > free + ROUNDING
    ? `the task needs ${round(wanted)} ${what}, ${round(free)} of ${round(now)} are free`
    : undefined;
}

/** For sentences. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
