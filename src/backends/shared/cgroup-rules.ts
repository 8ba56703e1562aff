import type { Runtime } from './runtimes/record';
import type { Limits } from './runtimes/runtime';

/** Version 2, or 1 with a hierarchy for each controller. */
export type CgroupLayout = 'v1' | 'v2';

export const CGROUP_ROOT = '/sys/fs/cgroup';
const CONTROLLERS = ['memory', 'cpu', 'pids'] as const;

/** `value`, as text, into a file of a group, in this order. */
export interface CgroupRule {
  readonly path: string;
  readonly value: string;
  /** Where the kernel counts no swap there is no such file. */
  readonly ifThere?: true;
}

/** The groups of one job: directories, what is written there, and where the kernel counts how often a limit was reached. Absolute paths. */
export interface JobGroups {
  /** As `--cgroup-parent` takes it. */
  readonly path: string;
  /** One in each hierarchy. */
  readonly all: readonly string[];
  readonly memory: string;
  readonly pids: string;
  /** Version 2: what is limited below a group has to be named there first. */
  readonly enable: readonly CgroupRule[];
  readonly rules: readonly CgroupRule[];
  readonly memoryRules: readonly CgroupRule[];
  /** A line `oom_kill COUNT`. */
  readonly memoryEvents: string;
  /** A line `max COUNT`. */
  readonly pidsEvents: string;
  /** Version 1: how often memory was refused. */
  readonly memoryRefusals: string;
}

const CPU_PERIOD_US = 100_000;
/** Version 1 looks at memory with swap first, and then does not count that the memory's limit was run into: as little more as any page is large. */
const MOST_SWAP_BYTES = 65_536;

/** The group whose jobs' groups are one gateway's. */
export function parentGroup(instance: string): string {
  return `tes-gateway-${instance.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`;
}

/** No swap beyond the memory; where memory runs out the whole of the job ends (version 2; in version 1 the kernel picks a process). */
export function jobGroups(layout: CgroupLayout, parent: string, jobName: string, limits: Limits, root = CGROUP_ROOT): JobGroups {
  const path = `/${parent}/${jobName}`;
  const [memory = '', cpu = '', pids = ''] = CONTROLLERS.map((name) => (layout === 'v2' ? root : `${root}/${name}`) + path);
  const rule = (group: string, file: string, value: string | number): CgroupRule => ({ path: `${group}/${file}`, value: String(value) });
  const quota = Math.max(1000, Math.round(limits.cpuCores * CPU_PERIOD_US));
  const pidsRule = rule(pids, 'pids.max', limits.pids);
  const common = { path, memory, pids, pidsEvents: `${pids}/pids.events`, memoryRefusals: `${memory}/memory.failcnt` };
  if (layout === 'v2') {
    const memoryRules: readonly CgroupRule[] = [
      rule(memory, 'memory.max', limits.memoryBytes),
      { ...rule(memory, 'memory.swap.max', 0), ifThere: true },
      rule(memory, 'memory.oom.group', 1),
    ];
    return {
      ...common,
      all: [memory],
      enable: [rule(`${root}/${parent}`, 'cgroup.subtree_control', '+memory +pids +cpu')],
      rules: [...memoryRules, rule(cpu, 'cpu.max', `${quota} ${CPU_PERIOD_US}`), pidsRule],
      memoryRules,
      memoryEvents: `${memory}/memory.events`,
    };
  }
  const memoryRules: readonly CgroupRule[] = [
    rule(memory, 'memory.limit_in_bytes', limits.memoryBytes),
    { ...rule(memory, 'memory.memsw.limit_in_bytes', limits.memoryBytes + MOST_SWAP_BYTES), ifThere: true },
  ];
  return {
    ...common,
    all: [memory, cpu, pids],
    enable: [],
    rules: [...memoryRules, rule(cpu, 'cpu.cfs_period_us', CPU_PERIOD_US), rule(cpu, 'cpu.cfs_quota_us', quota), pidsRule],
    memoryRules,
    memoryEvents: `${memory}/memory.oom_control`,
  };
}

/** What limits a job where its runtime, or its engine's own limits, are not enough. */
export interface LimitGroups {
  /** What the executors of bubblewrap and apptainer join. */
  readonly joined: readonly string[];
  /** podman: `--cgroup-parent`. */
  readonly parent?: string;
  readonly directories: readonly string[];
  readonly rules: readonly CgroupRule[];
  /** Files in which the kernel counts. */
  readonly counts: { readonly memory?: string; readonly pids?: string; readonly refusals?: string };
}

const NO_GROUPS: LimitGroups = { joined: [], directories: [], rules: [], counts: {} };

export function limitGroups(
  { engine }: Runtime,
  { groups: layout, needsMemoryGroup }: { readonly groups: 'none' | CgroupLayout; readonly needsMemoryGroup: boolean },
  group: string,
  jobName: string,
  limits: Limits,
  root = CGROUP_ROOT,
): LimitGroups {
  if (layout === 'none') return NO_GROUPS;
  const { path, all, memory, memoryRules, memoryRefusals, enable, rules, memoryEvents, pidsEvents } = jobGroups(
    layout,
    group,
    jobName,
    limits,
    root,
  );
  // podman with cgroups version 1 ends a container whose memory ran out without saying so, but a limit one level above it counts.
  if (needsMemoryGroup)
    return { joined: [], parent: path, directories: [memory], rules: memoryRules, counts: { refusals: memoryRefusals } };
  if (engine) return NO_GROUPS;
  return { joined: all, directories: all, rules: [...enable, ...rules], counts: { memory: memoryEvents, pids: pidsEvents } };
}
