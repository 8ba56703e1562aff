import type { TesTaskRequest } from '../../../task/tes';
import { hasWildcard, segmentsOf } from '../../../task/container-path';
import { assignment, quoteWord, quoteWords } from '../shell-quote';
import { HOST_ETC, hostRoot, type HostRoot, type HostView, LIVE_ETC } from './host-root';
import type { Runtime } from './record';
import {
  BY_CGROUPS,
  CONTAINER_DEFAULT_PATH,
  envOf,
  type ExecutorContext,
  FORGET_GATEWAY,
  type Launch,
  type RuntimeAbilities,
} from './runtime';

const abilities: RuntimeAbilities = {
  image: "recorded, not used: the programs are this machine's own, read-only",
  network: "default and host: the machine's; none: enforced",
  user: "the gateway's; root sees /proc read-only",
  variables: 'any name',
  gpus: 'no',
  memory: BY_CGROUPS,
  cpus: BY_CGROUPS,
  pids: BY_CGROUPS,
  wallClock: 'enforced',
  disk: 'not enforced',
};

/** Root keeps what file programs like tar and cp expect; everything it can see is read-only or the job's own. */
const ROOT_CAPABILITIES = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER'];

/** Names in `/` that bubblewrap's fresh root needs for itself. */
const SKELETON = new Set(['proc', 'sys', 'dev', 'usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'etc', 'run', 'var', 'tmp']);

/** The argv of one executor under bubblewrap. Options travel NUL-separated in a file, so that no environment shows in the process table. */
export function bubblewrapLaunch(context: ExecutorContext, host: HostRoot, asRoot: boolean, cgroups: readonly string[]): Launch {
  const { executor, index } = context;
  const options = ['--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try', '--die-with-parent', '--new-session'];
  if (context.network === 'none') options.push('--unshare-net');
  if (asRoot) options.push('--cap-drop', 'ALL', ...ROOT_CAPABILITIES.flatMap((name) => ['--cap-add', name]));
  options.push('--bind', `${context.trees}/root`, '/', ...host.options);
  options.push('--proc', '/proc', '--dev', '/dev', '--dir', '/run', '--dir', '/var/tmp');
  // Root's uid alone could write the kernel's settings there; nobody else's can.
  if (asRoot) options.push(...host.masks, '--remount-ro', '/proc');
  options.push('--chdir', executor.workdir ?? '/', '--clearenv');
  const env = new Map([['PATH', CONTAINER_DEFAULT_PATH], ['HOME', '/tmp'], ...envOf(executor)]);
  for (const [name, value] of env) options.push('--setenv', name, value);
  // `nice` with no change looks the program up in the job's PATH and ends with 127 or 126 where bwrap itself would say 1. It is not looked up there.
  const words = `${quoteWords(['bwrap', '--args', '9', ...(asRoot ? ['--args', '7'] : []), '--json-status-fd', '8', '--'])} "$nice" ${quoteWords(['-n', '0', '--', ...executor.command])}`;
  return {
    before: [assignment('program', executor.command[0] ?? '')],
    commands: [
      FORGET_GATEWAY,
      ...(cgroups.length === 0 ? [] : [`cgroups=${quoteWord(cgroups.join(' '))}`, 'join_cgroups || exit 125']),
      `exec ${words} 9<plan/${index}.options${asRoot ? ' 7<closed' : ''} 8>streams/${index}.evidence`,
    ],
    files: { [`${index}.options`]: options.map((option) => `${option}\0`).join('') },
  };
}

/** Lines of the plan that `bubblewrap.sh` works with. */
export function bubblewrapLines(host: HostRoot, view: HostView, asRoot: boolean, isReused: boolean): readonly string[] {
  return [
    assignment('ROOT', asRoot ? 1 : 0),
    assignment('ALONE', view.isKept ? 0 : 1),
    assignment('ETC', view.etcCopy),
    assignment('ETC_NAMES', HOST_ETC.filter((name) => !LIVE_ETC.has(name)).join(' ')),
    assignment('ETC_LIVE', [...LIVE_ETC].join(' ')),
    assignment('CLOSED', view.closedList),
    assignment('MACHINE', host.machine.join(' ')),
    pathTest('is_covered', host.covered, '/*'),
    pathTest('is_opened', host.opened),
    dropSkeleton(host, isReused),
  ];
}

function pathTest(name: string, paths: readonly string[], below?: string): string {
  const patterns = paths.flatMap((path) => [quoteWord(path), ...(below === undefined ? [] : [quoteWord(path) + below])]).join(' | ');
  return `${name}() { ${patterns === '' ? 'false' : `case $1 in ${patterns}) true ;; *) false ;; esac`}; }`;
}

/**
 * Takes our mount points out of the trees after an executor: the next one must not meet what this one made of them (a link
 * where a mount point was would lead bwrap out), and the outputs must not hold them. Empty when nobody will look.
 */
export function dropSkeleton(host: HostRoot, needed: boolean): string {
  const paths = [...host.skeleton.map((name) => `trees/root/${name}`), ...host.placeholders.map((name) => `trees/${name}`)];
  return `drop_skeleton() { ${needed || host.placeholders.length > 0 ? `rm -rf -- ${quoteWords(paths)}` : ':'}; }`;
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

export const BUBBLEWRAP: Runtime = {
  name: 'bubblewrap',
  abilities,
  parameterKeys: [],
  usesImages: false,
  isAutomatic: false,
  takesFilesOfWorkers: false,
  layersImages: false,
  showsHost: true,
  versionCommand: ['bwrap', '--ro-bind', '/', '/', '--unshare-pid', 'bwrap', '--version'],
  scriptParts: ['closed.sh', 'bubblewrap.sh'],
  refusals: skeletonPaths,
  launches(contexts, plan, context) {
    const { hostView, layout, asRoot } = context;
    if (!hostView) throw new Error('bubblewrap without a copy of /etc');
    const host = hostRoot(plan, layout.trees, context.readHost, context.readTree, hostView.etcCopy);
    return {
      launches: contexts.map((executor) => bubblewrapLaunch(executor, host, asRoot, context.cgroups)),
      lines: bubblewrapLines(host, hostView, asRoot, plan.rootEntries || contexts.length > 1),
    };
  },
};
