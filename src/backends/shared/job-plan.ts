import type { TesExecutor, TesTaskRequest } from '../../task/tes';
import { pathOf, segmentsOf } from '../../task/container-path';
import { locate, type MountPlan, ROOT_TREE } from './mount-plan';
import type { Launch } from './runtimes/runtime';
import { assignment, quoteWord, quoteWords } from './shell-quote';

export interface PlanSettings {
  readonly jobName: string;
  /** Absolute path of the cancel mark. */
  readonly mark: string;
  readonly maxRuntimeSeconds: number;
  readonly killGraceSeconds: number;
  /** Further lines: assignments and functions of the runtime, made with `quoteWord`. */
  readonly runtimeLines: readonly string[];
}

/** What the system does for an executor has limits of its own, which only something that hangs should ever reach: fetching its image, and copying. */
const FETCH_LIMIT_SECONDS = 3600;
const COPY_LIMIT_SECONDS = 24 * 3600;

/** Files of `plan/`, by name. `plan.sh` is what the job script reads; the rest belongs to the runtime. */
export function jobPlan(
  request: TesTaskRequest,
  plan: MountPlan,
  launches: readonly Launch[],
  settings: PlanSettings,
): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const lines = [
    assignment('JOB', settings.jobName),
    assignment('MARK', settings.mark),
    assignment('EXECUTORS', request.executors.length),
    assignment('LIMIT', Math.max(1, Math.ceil(settings.maxRuntimeSeconds))),
    assignment('GRACE', Math.max(0, Math.ceil(settings.killGraceSeconds))),
    assignment('FETCH_LIMIT', FETCH_LIMIT_SECONDS),
    assignment('COPY_LIMIT', COPY_LIMIT_SECONDS),
    ...settings.runtimeLines,
  ];
  if (request.executors.some(({ stdin }) => stdin !== undefined)) lines.push(treeOf(plan));
  for (const [index, executor] of request.executors.entries()) {
    const launch = launches[index];
    if (!launch) throw new Error(`no launch for executor ${index}`);
    lines.push(...executorFunctions(executor, index, plan, launch));
    for (const [name, content] of Object.entries(launch.files)) files.set(name, content);
  }
  files.set('plan.sh', `${lines.join('\n')}\n`);
  return files;
}

function executorFunctions(executor: TesExecutor, index: number, plan: MountPlan, launch: Launch): readonly string[] {
  const before: string[] = [];
  const after: string[] = [];
  const merged = isMerged(executor);
  if (executor.workdir !== undefined) before.push(`make_workdir ${index} ${treeWords(plan, segmentsOf(executor.workdir))}`);
  if (executor.stdin !== undefined) before.push(`take_stdin ${index} ${quoteWord(pathOf(segmentsOf(executor.stdin)))}`);
  if (executor.stdout !== undefined) after.push(`place streams/${index}.stdout ${fileWords(plan, executor.stdout)}`);
  if (executor.stderr !== undefined && !merged) after.push(`place streams/${index}.stderr ${fileWords(plan, executor.stderr)}`);
  return [
    shellFunction(`before_${index}`, [...before, ...launch.before].join(' && ')),
    shellFunction(`launch_${index}`, launch.commands.join('\n')),
    shellFunction(`after_${index}`, after.join(' && ')),
    shellFunction(`merged_${index}`, merged ? 'true' : 'false'),
    shellFunction(`ignored_${index}`, executor.ignore_error === true ? 'true' : 'false'),
  ];
}

/** Both streams into one file: they are written as they come, as `2>&1` would. */
function isMerged(executor: TesExecutor): boolean {
  if (executor.stdout === undefined || executor.stderr === undefined) return false;
  return segmentsOf(executor.stdout).join('/') === segmentsOf(executor.stderr).join('/');
}

/** What of the container is which tree, as `ScopedTrees` has it; an empty `tree` is a directory above mount points, of which the workspace has nothing. */
function treeOf({ roots, rootEntries }: MountPlan): string {
  const above = new Set(roots.flatMap(({ segments }) => segments.slice(1).map((_, depth) => pathOf(segments.slice(0, depth + 1)))));
  const cases = [
    ...roots.map(({ path, tree }) => `${quoteWord(path)} | ${quoteWord(path)}/*) mounted=${quoteWord(path)} tree=trees/${tree} ;;`),
    ...[...above].map((path) => `${quoteWord(path)}) tree= ;;`),
    rootEntries ? `*) mounted= tree=trees/${ROOT_TREE} ;;` : '*) return 1 ;;',
  ];
  return shellFunction('tree_of', `case $1 in\n${cases.join('\n')}\nesac`);
}

/** `TREE SEGMENT...` */
function treeWords(plan: MountPlan, segments: readonly string[]): string {
  const place = locate(plan, segments);
  return quoteWords([`trees/${place.tree}`, ...place.segments]);
}

/** `NAME TREE SEGMENT...` */
function fileWords(plan: MountPlan, path: string): string {
  const segments = segmentsOf(path);
  const name = segments.at(-1) ?? '';
  return `${quoteWords([name])} ${treeWords(plan, segments.slice(0, -1))}`;
}

function shellFunction(name: string, body: string): string {
  return `${name}() {\n${body === '' ? ':' : body}\n}`;
}
