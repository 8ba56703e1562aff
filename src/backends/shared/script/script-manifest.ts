import type { Job } from '../../../ports/execution-backend';
import { type LimitGroups, limitGroups, parentGroup } from '../cgroup-rules';
import { fixedSegments, segmentsOf } from '../../../task/container-path';
import { limitsOf, manifest } from '../job-manifest';
import { part as sharedPart, scriptFor } from '../job-script';
import { layoutOf } from '../layout';
import { locate, mountPlan, type MountPlan, ROOT_TREE } from '../mount-plan';
import { HOST_ETC, type HostEntry, type ReadDirectory } from '../runtimes/host-root';
import { imageSource } from '../runtimes/image-source';
import type { ManifestContext } from '../runtimes/record';
import type { RuntimeName } from '../runtimes/runtime';
import { assignment, isShellName, quoteWord, quoteWords } from '../shell-quote';
import type { HostFile, HostPlaces } from './script-host';
import type { MachineSettings, ScriptSettings } from './script.settings';
import type { WorkerFacts } from './worker-facts';
import { stagerPart } from './worker-staging';
import { RUNTIMES } from '../runtimes/runtimes';

/** Names below the workspace. */
export const REPORT = 'report';
/** `WORD INSTANCE`: `none`, or `cancelled`. Made with the job, so that looking for it is no error of the host's. */
export const MARK = 'mark';
/** What the script looks for. */
export const CANCELLED = 'cancelled';
export const LISTING = 'listing';
export const SUMS = 'sums';

export interface PlanContext {
  readonly settings: ScriptSettings;
  readonly worker: WorkerFacts;
  readonly places: HostPlaces;
  readonly readHost: ReadDirectory;
  readonly readTree: (tree: string) => ReadonlySet<string>;
}

export const textFile = (name: string, content: string): HostFile => ({ name, content: Buffer.from(content) });

const part = (name: string): string => sharedPart(`script/${name}`);

/** What absence.sh needs to know, and variables of the container command; `launch_N` takes these away from what runs in the container. */
function ownLines(runtime: RuntimeName, environment: Readonly<Record<string, string>>): string {
  const { engine } = RUNTIMES[runtime];
  return [
    ...Object.entries(environment)
      .filter(([name]) => isShellName(name))
      .map(([name, value]) => `export ${assignment(name, value)}\n`),
    assignment('ENGINE', engine ? runtime : ''),
    `\n${assignment('WATCHER', engine?.watcher ?? '')}\n`,
  ].join('');
}

/** In braces: it is read to its end before any of it is carried out, so that being written again cannot change what it does. */
export function jobScript(runtime: RuntimeName, environment: Readonly<Record<string, string>>): string {
  return `{\n${scriptFor(runtime, `${ownLines(runtime, environment)}${part('absence.sh')}\n${part('job-host.sh')}`)}\n}\n`;
}

/** As an errand names them. */
export interface ErrandPlaces {
  /** The directory of all jobs' directories. */
  readonly jobs: string;
  /** From one of these to its workspace. */
  readonly workspace: string;
  readonly answer: string;
}

export function errandScript(runtime: RuntimeName, environment: Readonly<Record<string, string>>, places: ErrandPlaces): string {
  const names = [assignment('JOBS', places.jobs), assignment('WORKSPACE', places.workspace), assignment('ANSWER', places.answer)];
  const own = `${ownLines(runtime, environment)}${names.join('\n')}\n`;
  return `#!/bin/sh\n${own}${['processes.sh', 'groups.sh', 'runtimes/overlay.sh'].map(sharedPart).join('\n')}\n${['absence.sh', 'probe.sh', 'forget-images.sh', 'errand.sh'].map(part).join('\n')}`;
}

type MachineContext = Omit<
  ManifestContext,
  | 'layout'
  | 'mark'
  | 'cgroups'
  | 'memoryCgroup'
  | 'unnameImage'
  | 'imagesDirectory'
  | 'knownImages'
  | 'images'
  | 'readHost'
  | 'readTree'
  | 'hostView'
>;

/** What of a plan follows from the settings and the machine alone. */
export function machineContext(settings: MachineSettings, runtime: RuntimeName, facts: WorkerFacts): MachineContext {
  const { instance, network, killGraceSeconds, pidsLimit, capabilities } = settings;
  const { cores, asRoot, overlay, selinux, init } = facts;
  const ofSettings = { runtime, instance, network, killGraceSeconds, pidsLimit, capabilities };
  return { ...ofSettings, machineCores: cores, asRoot, overlay, selinux, ...(init !== undefined && { init }) };
}

/** Every file of `plan/`. Pure: the same job and context give the same bytes. */
export function scriptPlan(job: Job, context: PlanContext): ReadonlyMap<string, string> {
  const { settings, worker, places } = context;
  const { runtime } = settings;
  const plan = mountPlan(job.request);
  const layout = layoutOf(places.workspace);
  const ofMachine = machineContext(settings, runtime, worker);
  const limits = limitsOf(job, ofMachine);
  const groups = limitGroups(RUNTIMES[runtime], worker, parentGroup(settings.instance), job.name, limits);
  const hostView = { etcCopy: `${layout.directory}/etc`, closedList: `${places.common}/closed`, isKept: false };
  const files = new Map(
    manifest(job, plan, {
      ...ofMachine,
      layout,
      mark: `${layout.directory}/${CANCELLED}`,
      cgroups: groups.joined,
      ...(groups.parent !== undefined && { memoryCgroup: groups.parent }),
      imagesDirectory: `${places.common}/images/${runtime}`,
      knownImages: new Map(),
      images: job.request.executors.map(({ image }) => imageSource(runtime, image, settings.images)),
      hostView,
      readHost: (path) => (path === hostView.etcCopy ? copiedOf(context.readHost('/etc')) : context.readHost(path)),
      readTree: context.readTree,
    }),
  );
  const stager = stagerPart(job, settings, layout.directory);
  const lines = [assignment('TAIL', job.tailBytes), ...groupLines(groups), ...stager.lines, treesFunction(plan), sumsFunction(job, plan)];
  files.set('plan.sh', `${files.get('plan.sh') ?? ''}${lines.join('\n')}\n`);
  return new Map([...files, ...stager.files]);
}

/** What the copy of /etc will hold, which the job itself makes. A link there counts as what it leads to, which is not known here. */
function copiedOf(etc: readonly HostEntry[]): readonly HostEntry[] {
  const names = new Set<string>(HOST_ETC);
  return etc.filter(({ name }) => names.has(name)).map(({ name, kind }) => ({ name, kind: kind === 'directory' ? kind : 'file' }));
}

/** The script makes the groups: nobody else is on that machine. */
function groupLines({ directories, rules, counts }: LimitGroups): readonly string[] {
  const commands = rules.map(({ path, value, ifThere }) => {
    const write = `echo ${quoteWord(value)} >${quoteWord(path)}`;
    return ifThere === true ? `{ [ ! -e ${quoteWord(path)} ] || ${write}; }` : write;
  });
  return [
    assignment('LIMIT_GROUPS', directories.join(' ')),
    `limit_groups() { ${commands.length === 0 ? ':' : commands.join(' && ')}; }`,
    ...countLines(counts),
  ];
}

/** What breaches.sh reads. */
export function countLines({ memory = '', pids = '', refusals = '' }: LimitGroups['counts']): readonly string[] {
  return [assignment('MEMORY_EVENTS', memory), assignment('PIDS_EVENTS', pids), assignment('MEMORY_REFUSALS', refusals)];
}

/** The same trees as `ScopedTrees.makeRoots` makes where the gateway is on the machine. */
function treesFunction(plan: MountPlan): string {
  const commands = [...plan.roots.map((root) => root.tree), ROOT_TREE].map(
    (tree) =>
      `mkdir ${quoteWord(`trees/${tree}`)} && chmod ${tree === ROOT_TREE ? '755' : '777'} ${quoteWord(`trees/${tree}`)} || return 1`,
  );
  for (const folder of plan.directories) {
    const place = locate(plan, segmentsOf(folder));
    commands.push(`directory ${quoteWords([`trees/${place.tree}`, ...place.segments])} || return 1`);
  }
  for (const root of plan.roots) if (root.fresh) commands.push(`chmod 1777 ${quoteWord(`trees/${root.tree}`)} || return 1`);
  return `make_trees() {\n${commands.join('\n')}\n}`;
}

/** Sums of every file that may be an output: what the gateway reads is held against them. */
function sumsFunction(job: Job, plan: MountPlan): string {
  const places = (job.request.outputs ?? []).map((output) => {
    const place = locate(plan, output.path_prefix === undefined ? segmentsOf(output.path) : fixedSegments(output.path));
    return ['trees', place.tree, ...place.segments].join('/');
  });
  const words = quoteWords([...new Set(places)]);
  return `sum_outputs() {\n${places.length === 0 ? ':' : `sum_files ${words}`}\n}`;
}
