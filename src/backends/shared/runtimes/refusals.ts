import type { TesTaskRequest } from '../../../task/tes';
import { hasWildcard, segmentsOf } from '../container-path';
import { jobDirectories, untouchableDirectories } from '../job-paths';
import type { JobDirectories } from '../job-paths';
import { mountPlanOf } from '../mount-plan';
import { isShellName } from '../shell-quote';
import { variableWay } from './client-variables';
import { gpusRefusals } from './gpus';
import type { RuntimeName } from './runtime';

/** The kernel's limit for one argument or one variable (MAX_ARG_STRLEN, with its final NUL), in bytes. */
const MOST_WORD_BYTES = 128 * 1024 - 1;
/** Of all arguments and variables together; the kernel's is a quarter of the stack limit, 2 MiB as a rule. */
const MOST_WORDS_BYTES = 1_500_000;
/** Of one executor, and of all executors of a task together. */
const MOST_MOUNTS = 2000;
const MOST_MOUNTS_OF_ALL = 32_768;
/** Names in `/` that bubblewrap's fresh root needs for itself. */
const SKELETON = new Set(['proc', 'sys', 'dev', 'usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'etc', 'run', 'var', 'tmp']);

/** Why no executor of this request could ever be started by this runtime, as public sentences. Pure and fast. */
export function refusalsOf(runtime: RuntimeName, request: TesTaskRequest): readonly string[] {
  const directories = jobDirectories(request);
  const isEngine = runtime === 'docker' || runtime === 'podman';
  return [
    ...untouchableDirectories(directories),
    ...tooLong(request),
    ...tooManyMounts(request, directories),
    ...(runtime === 'bubblewrap' ? skeletonPaths(request) : gpusRefusals(request)),
    ...(runtime === 'apptainer' ? unspeakableVariables(request) : []),
    ...(isEngine ? [...unspeakableToEngine(runtime, request), ...unmountable(directories)] : []),
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

/**
 * Apptainer hands variables over as shell text of its own making: one name that is not a shell identifier, or U+0080 in a value,
 * and ALL are dropped, with exit code 0; CR LF loses its CR; HOME is an option with `:` and `,` in its syntax. Seen with 1.4.5.
 */
function unspeakableVariables(request: TesTaskRequest): readonly string[] {
  return request.executors.flatMap((executor, index) =>
    Object.entries(executor.env ?? {})
      .filter(([name, value]) => !isShellName(name) || /\r\n|\u0080/.test(value) || (name === 'HOME' && !/^\/[^:,\n]*$/.test(value)))
      .map(([name]) => `$.executors[${index}].env: apptainer cannot pass this variable exactly: ${JSON.stringify(name)}`),
  );
}

/** What no way holds (see `variableWay`). podman loses the CR of a CR LF, too; seen with 4.3.1. */
function unspeakableToEngine(engine: 'docker' | 'podman', request: TesTaskRequest): readonly string[] {
  return request.executors.flatMap((executor, index) =>
    Object.entries(executor.env ?? {})
      .filter(([name, value]) => variableWay(engine, name, value) === undefined || (engine === 'podman' && /\r\n/.test(value)))
      .map(([name]) => `$.executors[${index}].env: ${engine} cannot pass this variable exactly: ${JSON.stringify(name)}`),
  );
}

/** docker and podman read a mount as a line of CSV, in which the CR of a CR LF is lost: the directory would be another one. */
function unmountable({ directories }: JobDirectories): readonly string[] {
  return [...directories]
    .filter((folder) => folder.includes('\r\n'))
    .map((folder) => `${JSON.stringify(folder.slice(0, -1))} holds CR LF and cannot be mounted exactly`);
}

function skeletonPaths(request: TesTaskRequest): readonly string[] {
  const files = [
    ...(request.inputs ?? []).filter((input) => input.type === 'FILE').map((input) => input.path),
    ...(request.outputs ?? []).filter((output) => output.type === 'FILE' && !hasWildcard(output.path)).map((output) => output.path),
    ...request.executors.flatMap((executor) => [executor.stdout, executor.stderr]),
  ];
  return files
    .filter((path) => path !== undefined)
    .map((path) => segmentsOf(path))
    .filter((segments) => segments.length === 1 && SKELETON.has(segments[0] ?? ''))
    .map((segments) => `/${segments[0] ?? ''} is a directory of the system and cannot be a file of a task under bubblewrap`);
}
