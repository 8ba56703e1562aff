/** What `info --format` is asked by which an engine says which limits it can enforce on its machine. What it enforces is not read back. */
export const LIMITS_OF_ENGINE = {
  docker: '{{.MemoryLimit}} {{.CPUCfsQuota}} {{.PidsLimit}}',
  podman: '{{.Host.CgroupControllers}}',
} as const;

const LIMITS = [
  ['memory', 'memory'],
  ['cpu', 'CPU'],
  ['pids', 'processes'],
] as const;

/** A sentence from that answer; `undefined` when the engine did not say. */
export function limitsSaid(engine: keyof typeof LIMITS_OF_ENGINE, answer: string): string | undefined {
  const words = answer.trim();
  const has =
    engine === 'docker'
      ? /^(true|false) (true|false) (true|false)$/.test(words) && words.split(' ').map((word) => word === 'true')
      : /^\[[a-z_ ]*\]$/.test(words) && LIMITS.map(([controller]) => words.slice(1, -1).split(' ').includes(controller));
  if (has === false) return undefined;
  const lacking = LIMITS.filter((_limit, index) => has[index] !== true).map(([, name]) => name);
  return lacking.length === 0
    ? `${engine} says that it can enforce them`
    : `${engine} says that it cannot enforce those of ${lacking.join(', ')}`;
}
