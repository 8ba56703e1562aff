import type { TesTaskRequest } from '../../../task/tes';
import { jobDirectories, type JobDirectories, untouchableDirectories } from '../job-paths';
import { mountPlanOf } from '../mount-plan';
import type { RuntimeName } from './runtime';
import { RUNTIMES } from './runtimes';

/** The kernel's limit for one argument or one variable (MAX_ARG_STRLEN, with its final NUL), in bytes. */
const MOST_WORD_BYTES = 128 * 1024 - 1;
/** Of all arguments and variables together; the kernel's is a quarter of the stack limit, 2 MiB as a rule. */
const MOST_WORDS_BYTES = 1_500_000;
/** Of one executor, and of all executors of a task together. */
const MOST_MOUNTS = 2000;
const MOST_MOUNTS_OF_ALL = 32_768;

/** Why no executor of this request could ever be started by this runtime, as public sentences. Pure and fast. */
export function refusalsOf(runtime: RuntimeName, request: TesTaskRequest): readonly string[] {
  const directories = jobDirectories(request);
  return [
    ...untouchableDirectories(directories),
    ...tooLong(request),
    ...tooManyMounts(request, directories),
    ...RUNTIMES[runtime].refusals(request, directories),
  ];
}

/** Each executor's command line, or file of options, holds every mount: bubblewrap reads some 3,000, and all of them together are one script. */
function tooManyMounts(request: TesTaskRequest, directories: JobDirectories): readonly string[] {
  const most = Math.min(MOST_MOUNTS, Math.floor(MOST_MOUNTS_OF_ALL / request.executors.length));
  if (directories.directories.size < most) return [];
  const mounts = mountPlanOf(directories).roots.length;
  if (mounts <= most) return [];
  return [
    `the files of the task lie in ${mounts} directories of the container, each a mount of its own; with this number of executors there can be ${most}: put them below one directory that is a volume`,
  ];
}

function tooLong(request: TesTaskRequest): readonly string[] {
  const reasons: string[] = [];
  for (const [index, executor] of request.executors.entries()) {
    const words = [...executor.command, ...Object.entries(executor.env ?? {}).map(([name, value]) => `${name}=${value}`)];
    const sizes = words.map((word) => Buffer.byteLength(word) + 1);
    if (sizes.some((size) => size > MOST_WORD_BYTES)) {
      reasons.push(
        `$.executors[${index}]: one argument or environment variable is longer than ${MOST_WORD_BYTES - 1} bytes, the most the kernel takes`,
      );
    } else if (sizes.reduce((sum, size) => sum + size + 8, 0) > MOST_WORDS_BYTES) {
      reasons.push(`$.executors[${index}]: command and environment together are longer than ${MOST_WORDS_BYTES} bytes`);
    }
  }
  return reasons;
}
