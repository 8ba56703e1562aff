import { createHash } from 'node:crypto';
import type { Job } from '../../ports/execution-backend';
import { FACTS_FILE, type JobFacts } from './job-facts';
import { jobPlan } from './job-plan';
import type { MountPlan } from './mount-plan';
import { gpusOf } from './runtimes/gpus';
import { INSTANCE_LABEL, JOB_LABEL } from './runtimes/labels';
import type { ManifestContext } from './runtimes/record';
import type { ExecutorContext, Limits } from './runtimes/runtime';
import { RUNTIMES } from './runtimes/runtimes';

const TASK_LABEL = 'tes-gateway.task';
const SMALLEST_MEMORY = 8 << 20;

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
  const owner = createHash('sha256').update(job.owner.key).digest('hex').slice(0, 32);
  const contexts = job.request.executors.map((executor, index): ExecutorContext => {
    const gpus = gpusOf(job.request);
    return {
      jobName: job.name,
      owner,
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
  const { launches, lines } = RUNTIMES[context.runtime].launches(contexts, plan, context);
  const files = jobPlan(job.request, plan, launches, {
    jobName: job.name,
    mark: context.mark,
    maxRuntimeSeconds: job.needs.maxRuntimeSeconds,
    killGraceSeconds: context.killGraceSeconds,
    runtimeLines: lines,
  });
  return new Map([...files, [FACTS_FILE, JSON.stringify(factsOf(job, limits, context))]]);
}

function factsOf(job: Job, limits: Limits, context: ManifestContext): JobFacts {
  const recorded = RUNTIMES[context.runtime].usesImages ? [] : new Set(job.request.executors.map((executor) => executor.image));
  return {
    version: 1,
    runtime: context.runtime,
    maxRuntimeSeconds: job.needs.maxRuntimeSeconds,
    memoryBytes: limits.memoryBytes,
    pids: limits.pids,
    systemLogs: [...recorded].map(
      (image) => `image ${image} was recorded but not used: ${context.runtime} runs this machine's own programs`,
    ),
    executors: job.request.executors.map(({ image, stdin, stdout, stderr, workdir }) => ({
      image,
      ...(stdin !== undefined && { stdin }),
      ...(stdout !== undefined && { stdout }),
      ...(stderr !== undefined && { stderr }),
      ...(workdir !== undefined && { workdir }),
    })),
  };
}
