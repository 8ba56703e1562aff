import { hash } from 'node:crypto';
import type { Placement } from '../task/placement';
import type { TaskNeeds } from '../task/task-record';
import { uncovered } from '../task/url-folders';

/** A name of the list is so long; two lists of one server's life are told apart by far less. */
const LENGTH = 12;
const names = new WeakMap<readonly string[], string>();

/** The same for the same prefixes, whoever has them and wherever they stand. */
function nameOf(prefixes: readonly string[]): string {
  let name = names.get(prefixes);
  if (name === undefined) names.set(prefixes, (name = hash('sha256', JSON.stringify([...prefixes].sort()), 'base64url').slice(0, LENGTH)));
  return name;
}

/** True when it is not known yet whether the task's folders lie below the backend's prefixes: those are new, or another gateway's. */
export function isUnjudged({ folders, reaches }: TaskNeeds, { urlPrefixes }: Placement): boolean {
  return folders !== undefined && urlPrefixes !== undefined && reaches?.[nameOf(urlPrefixes)] === undefined;
}

/**
 * Adds, for each list of prefixes, whether all of the task's folders lie below it. What is known stays: it is true whatever the settings
 * come to be, so that gateways with different backends add to it and never undo each other's work. The same object when nothing is new.
 */
export function judged(needs: TaskNeeds, placements: readonly Placement[]): TaskNeeds {
  const fresh = placements
    .filter((placement) => isUnjudged(needs, placement))
    .flatMap(({ urlPrefixes }) => (urlPrefixes ? [urlPrefixes] : []));
  if (fresh.length === 0) return needs;
  const found = fresh.map((prefixes) => [nameOf(prefixes), uncovered(needs.folders ?? [], prefixes) === undefined] as const);
  return { ...needs, reaches: { ...needs.reaches, ...Object.fromEntries(found) } };
}
