import type { Job } from '../../ports/execution-backend';
import { FACTS_FILE } from './job-facts';
import type { JobFacts } from './job-facts';
import { jobPlan } from './job-plan';
import type { Layout } from './layout';
import type { MountPlan } from './mount-plan';
import { apptainerLaunch, apptainerLines } from './runtimes/apptainer';
import { bubblewrapLaunch, bubblewrapLines } from './runtimes/bubblewrap';
import type { HostView } from './runtimes/bubblewrap';
import { containerLaunch, containerLines, INSTANCE_LABEL, JOB_LABEL } from './runtimes/containers';
import type { ContainerDialect } from './runtimes/containers';
import { DOCKER } from './runtimes/docker';
import { gpusOf } from './runtimes/gpus';
import { hostRoot } from './runtimes/host-root';
import type { ReadDirectory } from './runtimes/host-root';
import type { Init } from './runtimes/init';
import { PODMAN } from './runtimes/podman';
import type { ExecutorContext, ImageSource, Launch, Limits, RuntimeName } from './runtimes/runtime';

const TASK_LABEL = 'tes-gateway.task';
const SMALLEST_MEMORY = 8 << 20;

export interface ManifestContext {
  readonly runtime: RuntimeName;
  readonly instance: string;
  readonly network: 'default' | 'host' | 'none';
  readonly layout: Layout;
  readonly mark: string;
  readonly killGraceSeconds: number;
  readonly pidsLimit: number;
  /** Cores of this machine: no runtime takes a limit above it. */
  readonly machineCores: number;
  readonly asRoot: boolean;
  readonly cgroups: readonly string[];
  readonly memoryCgroup?: string;
  /** docker and podman. */
  readonly init?: Init;
  /** docker and podman: see `ContainerSettings`. */
  readonly capabilities: readonly string[];
  readonly selinux: boolean;
  readonly unnameImage?: readonly string[];
  /** apptainer: a writable layer over an image works here. */
  readonly overlay: boolean;
  readonly imagesDirectory: string;
  readonly knownImages: ReadonlyMap<string, string>;
  /** By executor. */
  readonly images: readonly ImageSource[];
  readonly readHost: ReadDirectory;
  readonly readTree: (tree: string) => ReadonlySet<string>;
  /** bubblewrap. */
  readonly hostView?: HostView;
}

/** What engines take: docker no less than a hundredth of a core, and no more than nine decimals. */
const SMALLEST_CORES = 0.01;
const CORE_PARTS = 1000;

export function limitsOf(job: Job, context: Pick<ManifestContext, 'pidsLimit' | 'machineCores'>): Limits {
  return {
    cpuCores: Math.max(SMALLEST_CORES, Math.round(Math.min(job.needs.cpuCores, context.machineCores) * CORE_PARTS) / CORE_PARTS),
    memoryBytes: Math.max(SMALLEST_MEMORY, Math.round(job.needs.ramGb * 2 ** 30)),
    pids: context.pidsLimit,
  };
}

/** Every file of the job's plan. Pure: the same job and context give the same bytes. */
export function manifest(job: Job, plan: MountPlan, context: ManifestContext): ReadonlyMap<string, string> {
  const limits = limitsOf(job, context);
  const contexts = job.request.executors.map((executor, index): ExecutorContext => {
    const gpus = gpusOf(job.request);
    return {
      jobName: job.name,
      index,
      executor,
      plan,
      workspace: context.layout.directory,
      trees: context.layout.trees,
      image: context.images[index] ?? { kind: 'none' },
      limits,
      network: context.network,
      ...(gpus !== undefined && { gpus }),
      labels: { [INSTANCE_LABEL]: context.instance, [JOB_LABEL]: job.name, [TASK_LABEL]: job.taskId },
    };
  });
  const { launches, lines } = launchesOf(contexts, plan, context);
  const files = jobPlan(job.request, plan, launches, {
    jobName: job.name,
    mark: context.mark,
    maxRuntimeSeconds: job.needs.maxRuntimeSeconds,
    killGraceSeconds: context.killGraceSeconds,
    runtimeLines: lines,
  });
  return new Map([...files, [FACTS_FILE, JSON.stringify(factsOf(job, limits, context))]]);
}

interface Launches {
  readonly launches: readonly Launch[];
  readonly lines: readonly string[];
}

function launchesOf(contexts: readonly ExecutorContext[], plan: MountPlan, context: ManifestContext): Launches {
  switch (context.runtime) {
    case 'docker':
      return containerLaunches(DOCKER, contexts, plan, context);
    case 'podman':
      return containerLaunches(PODMAN, contexts, plan, context);
    case 'apptainer':
      return {
        launches: contexts.map((executor) => apptainerLaunch(executor, context)),
        lines: apptainerLines(contexts, plan, context),
      };
    case 'bubblewrap': {
      const { hostView } = context;
      if (!hostView) throw new Error('bubblewrap without a copy of /etc');
      const host = hostRoot(plan, context.layout.trees, context.readHost, context.readTree, hostView.etcCopy);
      return {
        launches: contexts.map((executor) => bubblewrapLaunch(executor, host, context.asRoot, context.cgroups)),
        lines: bubblewrapLines(host, hostView, context.asRoot, plan.rootEntries || contexts.length > 1),
      };
    }
    default: {
      const never: never = context.runtime;
      return never;
    }
  }
}

function containerLaunches(
  dialect: ContainerDialect,
  contexts: readonly ExecutorContext[],
  plan: MountPlan,
  context: ManifestContext,
): Launches {
  const settings = { ...context, ...(context.memoryCgroup !== undefined && { memoryCgroup: context.memoryCgroup }) };
  return {
    launches: contexts.map((executor) => containerLaunch(dialect, executor, settings)),
    lines: containerLines(dialect, contexts, plan, settings),
  };
}

function factsOf(job: Job, limits: Limits, context: ManifestContext): JobFacts {
  const recorded = context.runtime === 'bubblewrap' ? new Set(job.request.executors.map((executor) => executor.image)) : [];
  return {
    version: 1,
    runtime: context.runtime,
    maxRuntimeSeconds: job.needs.maxRuntimeSeconds,
    memoryBytes: limits.memoryBytes,
    pids: limits.pids,
    systemLogs: [...recorded].map((image) => `image ${image} was recorded but not used: bubblewrap runs this machine's own programs`),
    executors: job.request.executors.map(({ image, stdin, stdout, stderr, workdir }) => ({
      image,
      ...(stdin !== undefined && { stdin }),
      ...(stdout !== undefined && { stdout }),
      ...(stderr !== undefined && { stderr }),
      ...(workdir !== undefined && { workdir }),
    })),
  };
}
