const LIMITS = [
  ['memory', 'memory'],
  ['cpu', 'CPU'],
  ['pids', 'processes'],
] as const;

/** A sentence from which controllers an engine has; `undefined` = it did not say. */
export function limitsSaid(engine: string, has: (controller: string, index: number) => boolean | undefined): string | undefined {
  const said = LIMITS.map(([controller], index) => has(controller, index));
  if (said.includes(undefined)) return undefined;
  const lacking = LIMITS.filter((_limit, index) => said[index] !== true).map(([, name]) => name);
  return lacking.length === 0
    ? `${engine} says that it can enforce them`
    : `${engine} says that it cannot enforce those of ${lacking.join(', ')}`;
}
