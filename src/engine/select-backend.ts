import type { BackendCapabilities } from '../ports/execution-backend';
import type { Reservation } from '../ports/task-store';
import { unsupportedParameters } from '../task/backend-parameters';
import type { TaskNeeds } from '../task/task-record';

/** One backend as the Scheduler sees it in one pass. */
export interface Candidate {
  readonly name: string;
  readonly capabilities: BackendCapabilities;
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

/** Why a backend can never take such a task, whatever its load: the wish, the parameters. `undefined` = it can. */
export function mismatch(needs: TaskNeeds, name: string, capabilities: Pick<BackendCapabilities, 'parameterKeys'>): string | undefined {
  if (needs.backend !== undefined && needs.backend !== name) return `the task asks for backend ${needs.backend}`;
  if (!needs.strict) return undefined;
  const unknown = unsupportedParameters(needs.parameterKeys, capabilities.parameterKeys);
  return unknown.length > 0 ? `it does not support backend parameter ${unknown.join(', ')}` : undefined;
}

/**
 * Chooses the backend for a task: it fits (wish, parameters, free room), is healthy and takes new tasks; of those, the one with the
 * smallest share of its cores reserved; of equals, the first in the settings. Pure.
 */
export function selectBackend(taskId: string, needs: TaskNeeds, candidates: readonly Candidate[]): Selection {
  const reasons: string[] = [];
  let best: { readonly name: string; readonly load: number } | undefined;
  for (const candidate of candidates) {
    if (mismatch(needs, candidate.name, candidate.capabilities) !== undefined) continue;
    const reason = cannotNow(taskId, needs, candidate);
    if (reason !== undefined) {
      reasons.push(`backend ${candidate.name}: ${reason}`);
      continue;
    }
    const total = candidate.capabilities.capacity.cpuCores;
    const load = total > 0 ? 1 - freeOf(candidate).cpuCores / total : 1;
    if (!best || load < best.load) best = { name: candidate.name, load };
  }
  if (best) return { kind: 'chosen', backend: best.name };
  if (reasons.length > 0) return { kind: 'wait', reasons };
  return {
    kind: 'wait',
    reasons: [needs.backend === undefined ? 'no backend can take this task' : `backend ${needs.backend} is not set up on this server`],
  };
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
