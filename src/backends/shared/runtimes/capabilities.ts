import type { RuntimeName } from './runtime';
import { RUNTIMES } from './runtimes';

const WORDS: Readonly<Record<string, string>> = {
  cpus: 'CPU limit',
  memory: 'memory limit',
  pids: 'process limit',
  wallClock: 'time limit',
  disk: 'disk limit',
};

/** Lines for the log at start and for `capabilities`. */
export function abilityNotes(
  runtime: RuntimeName,
  machine: { readonly name: string; readonly hasGroups: boolean; readonly engineLimits?: string | undefined },
): readonly string[] {
  const { abilities, engine } = RUNTIMES[runtime];
  const notes = Object.entries(abilities).map(([key, value]) => `${runtime}, ${WORDS[key] ?? key}: ${value}`);
  const ofGroups = machine.hasGroups ? 'enforced by cgroups' : 'cannot be enforced (needs root and writable cgroups)';
  const limits = engine ? (machine.engineLimits ?? `${runtime} has not said whether it can enforce them`) : ofGroups;
  return [...notes, `${runtime}, limits of memory, CPU and processes on ${machine.name}: ${limits}`];
}
