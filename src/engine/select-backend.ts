import type { BackendCapabilities } from '../ports/execution-backend';
import type { Reservation } from '../ports/task-store';
import { unsupportedParameters } from '../task/backend-parameters';
import { ANYWHERE, labelKeys, type Placement } from '../task/placement';
import type { TaskNeeds } from '../task/task-record';
import { uncovered } from '../task/url-folders';

/** One backend as the Scheduler sees it in one pass. */
export interface Candidate {
  readonly name: string;
  /** Name and gateway of one that is bound to its gateway; else its name. */
  readonly key?: string;
  readonly capabilities: BackendCapabilities;
  /** Absent = no labels, reaches every URL. */
  readonly placement?: Placement;
  /** Away, with the public reason; absent = healthy. */
  readonly away?: string;
  readonly used: readonly Reservation[];
  /** Kept free for a big task that has waited too long: its id. */
  readonly heldFor?: string;
}

export type Selection =
  | { readonly kind: 'chosen'; readonly backend: string }
  /** None can take it now; one public sentence per backend that could ever. */
  | { readonly kind: 'wait'; readonly reasons: readonly string[] };

/** Free room of a backend. */
export function freeOf(candidate: Candidate): { readonly cpuCores: number; readonly ramGb: number; readonly slots: number } {
  const { capacity } = candidate.capabilities;
  let cpuCores = capacity.cpuCores;
  let ramGb = capacity.ramGb;
  for (const one of candidate.used) {
    cpuCores -= one.cpuCores;
    ramGb -= one.ramGb;
  }
  return { cpuCores, ramGb, slots: (capacity.slots ?? Infinity) - candidate.used.length };
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
): string | undefined {
  if (needs.backend !== undefined && needs.backend !== name) return `the task asks for backend ${needs.backend}`;
  for (const [label, value] of Object.entries(needs.labels ?? {})) {
    const own = Object.hasOwn(placement.labels, label) ? placement.labels[label] : undefined;
    if (own !== value) return `the task asks for label ${label}=${value}, ${own === undefined ? 'it has none' : `its own is ${own}`}`;
  }
  const { urlPrefixes } = placement;
  const folder = urlPrefixes === undefined ? undefined : uncovered(needs.folders ?? [], urlPrefixes);
  if (folder !== undefined) return `it does not reach ${folder}`;
  if (needs.refusedBy?.some((refuser) => refuser === name || refuser === key)) return 'it said of itself that it cannot carry the task out';
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
  let best: { readonly name: string; readonly load: number } | undefined;
  for (const candidate of candidates) {
    const never = mismatch(needs, candidate);
    if (never !== undefined) {
      unfit.push(`backend ${candidate.name}: ${never}`);
      continue;
    }
    const reason = cannotNow(taskId, needs, candidate);
    if (reason !== undefined) {
      reasons.push(`backend ${candidate.name}: ${reason}`);
      continue;
    }
    const load = loadOf(candidate);
    if (!best || load < best.load) best = { name: candidate.name, load };
  }
  if (best) return { kind: 'chosen', backend: best.name };
  if (reasons.length > 0) return { kind: 'wait', reasons };
  const isThere = needs.backend === undefined || candidates.some(({ name }) => name === needs.backend);
  if (!isThere) return { kind: 'wait', reasons: [`backend ${needs.backend} is not set up on this server`] };
  const own = needs.backend === undefined ? unfit : unfit.filter((reason) => reason.startsWith(`backend ${needs.backend}: `));
  return { kind: 'wait', reasons: ['no backend can take this task', ...own] };
}

/** In use, 0 to 1: the larger share of cores and slots. */
function loadOf(candidate: Candidate): number {
  const { cpuCores, slots } = candidate.capabilities.capacity;
  const byCores = cpuCores > 0 ? 1 - freeOf(candidate).cpuCores / cpuCores : 1;
  return slots === undefined ? byCores : Math.max(byCores, slots > 0 ? candidate.used.length / slots : 1);
}

function cannotNow(taskId: string, needs: TaskNeeds, candidate: Candidate): string | undefined {
  if (candidate.capabilities.draining) return 'it is draining and takes no new tasks';
  if (candidate.away !== undefined) return candidate.away;
  const free = freeOf(candidate);
  if (free.slots < 1) return `all of its ${candidate.capabilities.capacity.slots ?? 0} slots are taken`;
  const { capacity } = candidate.capabilities;
  if (needs.cpuCores > capacity.cpuCores) return `the task needs ${needs.cpuCores} CPU cores, it has ${capacity.cpuCores}`;
  if (needs.ramGb > capacity.ramGb) return `the task needs ${gb(needs.ramGb)} GB of memory, it has ${gb(capacity.ramGb)}`;
  if (needs.cpuCores > free.cpuCores)
    return `the task needs ${needs.cpuCores} CPU cores, ${round(free.cpuCores)} of ${capacity.cpuCores} are free`;
  if (needs.ramGb > free.ramGb)
    return `the task needs ${gb(needs.ramGb)} GB of memory, ${gb(free.ramGb)} of ${gb(capacity.ramGb)} are free`;
  if (candidate.heldFor !== undefined && candidate.heldFor !== taskId) return 'it is kept free for a big task that has waited longer';
  return undefined;
}

function round(value: number): number {
  return Math.round(Math.max(0, value) * 100) / 100;
}

function gb(value: number): string {
  return String(round(value));
}
