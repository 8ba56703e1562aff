import type { Limits } from './runtimes/runtime';

/** Version 2, or 1 with a hierarchy for each controller. */
export type CgroupLayout = 'v1' | 'v2';

/** `value`, as text, into a file of the group in the controller's hierarchy, in this order. */
export interface CgroupRule {
  readonly controller: 'memory' | 'cpu' | 'pids';
  readonly file: string;
  readonly value: string;
  /** Where the kernel counts no swap there is no such file. */
  readonly ifThere?: true;
}

const CPU_PERIOD_US = 100_000;

/** The group whose jobs' groups are one gateway's. */
export function parentGroup(instance: string): string {
  return `tes-gateway-${instance.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`;
}

/** Version 1 looks at memory with swap first, and then does not count that the memory's limit was run into: as little more as any page is large. */
const MOST_SWAP_BYTES = 65_536;

/** No swap beyond the memory; where memory runs out the whole of the job ends (version 2; in version 1 the kernel picks a process). */
export function memoryRules(layout: CgroupLayout, memoryBytes: number): readonly CgroupRule[] {
  const rule = (file: string, value: string | number): CgroupRule => ({ controller: 'memory', file, value: String(value) });
  if (layout === 'v1') {
    return [
      rule('memory.limit_in_bytes', memoryBytes),
      { ...rule('memory.memsw.limit_in_bytes', memoryBytes + MOST_SWAP_BYTES), ifThere: true },
    ];
  }
  return [rule('memory.max', memoryBytes), { ...rule('memory.swap.max', 0), ifThere: true }, rule('memory.oom.group', 1)];
}

export function cgroupRules(layout: CgroupLayout, limits: Limits): readonly CgroupRule[] {
  const quota = Math.max(1000, Math.round(limits.cpuCores * CPU_PERIOD_US));
  const cpu: readonly (readonly [string, string])[] =
    layout === 'v2'
      ? [['cpu.max', `${quota} ${CPU_PERIOD_US}`]]
      : [
          ['cpu.cfs_period_us', String(CPU_PERIOD_US)],
          ['cpu.cfs_quota_us', String(quota)],
        ];
  return [
    ...memoryRules(layout, limits.memoryBytes),
    ...cpu.map(([file, value]): CgroupRule => ({ controller: 'cpu', file, value })),
    { controller: 'pids', file: 'pids.max', value: String(limits.pids) },
  ];
}
