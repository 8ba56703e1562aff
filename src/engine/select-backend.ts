import type { BackendCapabilities } from '../ports/execution-backend';
import { unsupportedParameters } from '../task/backend-parameters';
import { ANYWHERE, labelKeys, type Placement } from '../task/placement';
import { leastOf } from '../task/queue-class';
import { type Amounts, amountsOf, type Capacity, fits, freeOf, loadOf, NOTHING, ROUNDING } from '../task/room';
import type { TaskNeeds } from '../task/task-record';
import { uncovered } from '../task/url-folders';
import { isUnjudged } from './reach';

/** One backend as the Scheduler sees it in one pass. */
export interface Candidate {
  readonly name: string;
  /** Name and gateway of one that is bound to its gateway; else its name. */
  readonly key?: string;
  readonly capabilities: Pick<BackendCapabilities, 'parameterKeys' | 'capacity' | 'draining' | 'boundToInstance'>;
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

/** What is charged of a task. */
export type Size = Pick<TaskNeeds, 'cpuCores' | 'ramGb'>;

export type Selection =
  /** `size`: what the task is given there. */
  | { readonly kind: 'chosen'; readonly backend: string; readonly size: Size }
  /** None can take it now; one public sentence per backend that could ever. */
  | { readonly kind: 'wait'; readonly reasons: readonly string[] };

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
): string | undefined {
  if (needs.backend !== undefined && needs.backend !== name) return `the task asks for backend ${needs.backend}`;
  for (const [label, value] of Object.entries(needs.labels ?? {})) {
    const own = Object.hasOwn(placement.labels, label) ? placement.labels[label] : undefined;
    if (own !== value) return `the task asks for label ${label}=${value}, ${own === undefined ? 'it has none' : `its own is ${own}`}`;
  }
  const { urlPrefixes } = placement;
  const folder = urlPrefixes === undefined ? undefined : uncovered(needs.folders ?? [], urlPrefixes);
  if (folder !== undefined) return `it does not reach ${folder}`;
  if (needs.refusedBy?.some((refuser) => refuser === name || refuser === key)) return 'it refused this task';
  if (!needs.strict) return undefined;
  const unknown = unsupportedParameters(needs.parameterKeys, [...capabilities.parameterKeys, ...labelKeys(placement)]);
  return unknown.length > 0 ? `it does not support backend parameter ${unknown.join(', ')}` : undefined;
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
    else unfit.push(`${named(candidate)}: ${never}`);
  }
  const size = fitted(needs, able.map(capacityOf));
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
export function fitted({ cpuCores, ramGb }: Size, capacities: readonly Capacity[]): Size {
  const roomiest = roomiestOf(capacities);
  if (roomiest === undefined || capacities.some((capacity) => fits(NOTHING, amountsOf({ cpuCores, ramGb }), { ...capacity, slots: 1 }))) {
    return { cpuCores, ramGb };
  }
  return { cpuCores: Math.min(cpuCores, roomiest.cpuCores ?? cpuCores), ramGb: Math.min(ramGb, roomiest.ramGb ?? ramGb) };
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
  const size = amountsOf(fitted(needs, capacitiesFor(needs, candidates)));
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

/** Of the backends that could take a task of such needs if they were there: what they have in all. */
function capacitiesFor(needs: TaskNeeds, candidates: readonly Candidate[]): Capacity[] {
  return candidates.filter((candidate) => mismatch(needs, candidate) === undefined).map(capacityOf);
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
 * The sizes that may be taken now out of a class of tasks, by each backend that is open for it: what is free there, and any size where
 * that is as much as a task is ever given. Empty when the class is closed: no task of it, however small, can go on.
 */
export function roomsFor(needs: TaskNeeds, candidates: readonly Candidate[], empty = false): readonly Partial<Size>[] {
  const most = roomiestOf(capacitiesFor(needs, candidates));
  const [leastCpu, leastRam] = [leastOf(needs.cpuCores), leastOf(needs.ramGb)];
  const rooms = openFor(needs, candidates)
    .filter((candidate) => empty || hasRoom(candidate))
    .map((candidate) => {
      const free = freeOf(empty ? NOTHING : candidate.used, capacityOf(candidate));
      const cpuCores = bound(free.cpuCores, most?.cpuCores);
      const ramGb = bound(free.ramGb, most?.ramGb);
      return { ...(cpuCores !== undefined && { cpuCores }), ...(ramGb !== undefined && { ramGb }) };
    })
    .filter(({ cpuCores = Infinity, ramGb = Infinity }) => cpuCores >= leastCpu && ramGb >= leastRam);
  // What goes into one of them goes into a larger one.
  return rooms.filter(
    (room, index) => !rooms.some((other, at) => at !== index && isWithin(room, other) && (at < index || !isWithin(other, room))),
  );
}

function isWithin({ cpuCores = Infinity, ramGb = Infinity }: Partial<Size>, other: Partial<Size>): boolean {
  return cpuCores <= (other.cpuCores ?? Infinity) && ramGb <= (other.ramGb ?? Infinity);
}

function bound(free: number | undefined, most: number | undefined): number | undefined {
  return free === undefined || (most !== undefined && free >= most - ROUNDING) ? undefined : free + ROUNDING;
}

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
  const free = freeOf(candidate.used, capacity);
  if (free.slots !== undefined && free.slots < 1) return `all of its ${capacity.slots ?? 0} slots are taken`;
  const cores = shortage(size.cpuCores, free.cpuCores, capacity.cpuCores, 'CPU cores');
  if (cores !== undefined) return cores;
  const memory = shortage(size.ramGb, free.ramGb, capacity.ramGb, 'GB of memory');
  if (memory !== undefined) return memory;
  if (candidate.elsewhere !== undefined) return 'its gateway has not taken the task yet';
  if (candidate.heldFor !== undefined && candidate.heldFor !== taskId) return 'it is reserved for a big task that has waited longer';
  return undefined;
}

function shortage(wanted: number, free: number | undefined, whole: number | undefined, what: string): string | undefined {
  if (free === undefined || whole === undefined) return undefined;
  if (wanted > whole + ROUNDING) return `the task needs ${round(wanted)} ${what}, it has ${round(whole)}`;
  return wanted > free + ROUNDING ? `the task needs ${round(wanted)} ${what}, ${round(free)} of ${round(whole)} are free` : undefined;
}

/** For sentences. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
