import type { Size, SizeName } from './amounts';
import type { TaskNeeds } from './task-record';

/** Smallest and largest power of two that is told apart: what is below or above is one class each. */
const LEAST_POWER = -2;
const MOST_POWER = 12;

/**
 * The class of a waiting task: all of a class may go to the same backends, whatever their settings come to be, and need about as much.
 * The Scheduler judges a class, not its tasks. What a client may invent is not in it (names and values of labels and parameters are
 * those that some backend knows, folders are told by `reaches`), so the settings, and the users who have met a limit, bound how many classes
 * there are. The text is the key in
 * the store's index; members that say nothing are left out of it.
 */
export function queueClass({
  cpuCores,
  ramGb,
  diskGb = 0,
  gpus = 0,
  backend,
  labels,
  strict,
  parameterKeys,
  refusedBy,
  folders,
  reaches,
  limitedBy,
}: TaskNeeds): string {
  return JSON.stringify({
    cpu: powerOf(cpuCores),
    ram: powerOf(ramGb),
    ...(diskGb > 0 && { disk: powerOf(diskGb) }),
    // As it is: small numbers.
    ...(gpus > 0 && { gpus }),
    ...(backend !== undefined && { backend }),
    ...(labels !== undefined && { labels: sorted(labels) }),
    ...(strict && parameterKeys.length > 0 && { keys: [...parameterKeys].sort() }),
    ...(refusedBy !== undefined && refusedBy.length > 0 && { refusedBy: [...refusedBy].sort() }),
    ...(reaches !== undefined && { reaches: sorted(reaches) }),
    // Not judged yet, unlike what has no folders and needs no judging.
    ...(reaches === undefined && folders !== undefined && { folders: true }),
    ...(limitedBy !== undefined && { limitedBy }),
  });
}

/** No task of its class needs less of it than `least`, nor more than `most`. */
export function rangeOf(needs: Size, name: SizeName): { readonly least: number; readonly most: number } {
  const amount = needs[name] ?? 0;
  if (name === 'gpus' || amount === 0) return { least: amount, most: amount };
  return { least: leastOf(amount), most: mostOf(amount) };
}

function leastOf(amount: number): number {
  const power = powerOf(amount);
  return power === LEAST_POWER ? 0 : 2 ** (power - 1);
}

function mostOf(amount: number): number {
  const power = powerOf(amount);
  return power === MOST_POWER ? Infinity : 2 ** power;
}

/** The power of two at or above an amount. */
function powerOf(amount: number): number {
  return Math.min(MOST_POWER, Math.max(LEAST_POWER, Math.ceil(Math.log2(amount))));
}

function sorted(entries: Readonly<Record<string, string | boolean>>): readonly (readonly [string, string | boolean])[] {
  return Object.entries(entries).sort(([one], [other]) => (one < other ? -1 : 1));
}
