import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../../ports/execution-backend';
import { cgroupRules, memoryRules, parentGroup } from '../shared/cgroup-rules';
import type { CgroupRule } from '../shared/cgroup-rules';
import { fixedSegments, segmentsOf } from '../shared/container-path';
import { limitsOf, manifest } from '../shared/job-manifest';
import { part as sharedPart, scriptFor } from '../shared/job-script';
import { layoutOf } from '../shared/layout';
import { locate, mountPlan, ROOT_TREE } from '../shared/mount-plan';
import type { MountPlan } from '../shared/mount-plan';
import { HOST_ETC } from '../shared/runtimes/host-root';
import type { HostEntry, ReadDirectory } from '../shared/runtimes/host-root';
import type { Limits, RuntimeName } from '../shared/runtimes/runtime';
import { assignment, isShellName, quoteWord, quoteWords } from '../shared/shell-quote';
import type { PlacedFile } from './pulsar-client';
import type { PulsarBackendSettings } from './pulsar.settings';
import type { WorkerFacts } from './worker-facts';
import { stagerPart } from './worker-staging';
import { imageSource } from './worker-images';
import { RUNTIMES } from '../shared/runtimes/runtimes';

/** Below the job's `metadata`, the one place that can be written and read through the interface and that Pulsar neither copies nor empties. */
export const WORKSPACE = 'tes';
export const REPORT = `${WORKSPACE}/report`;
/** `WORD INSTANCE`: `none`, or `cancelled`. Made with the job, so that looking for it is no error of the server's. */
export const MARK = `${WORKSPACE}/mark`;
/** What the script looks for. */
export const CANCELLED = `${WORKSPACE}/cancelled`;
export const SCRIPT = 'job.sh';

export interface PlanContext {
  readonly settings: PulsarBackendSettings;
  readonly worker: WorkerFacts;
  readonly runtime: RuntimeName;
  /** Absolute, on the worker. */
  readonly jobDirectory: string;
  readonly readHost: ReadDirectory;
  readonly readTree: (tree: string) => ReadonlySet<string>;
}

/** A file below the job's `metadata`. */
export function metadataFile(name: string, content: string): PlacedFile {
  return { type: 'metadata', name, content: Buffer.from(content) };
}

/** `TES_GATEWAY_JOB` marks every process of the job. No stream of the job reaches Pulsar, which fails on what is not UTF-8. */
export function commandLine(jobName: string): string {
  return `TES_GATEWAY_JOB=${quoteWord(jobName)} sh ../tool_files/${SCRIPT} ../metadata/${WORKSPACE} </dev/null >../metadata/tool_stdout 2>../metadata/tool_stderr`;
}

export function errandCommandLine(verb: string, words: readonly string[]): string {
  return `sh ../tool_files/${SCRIPT} ${quoteWords([verb, ...words])} </dev/null >../metadata/tool_stdout 2>../metadata/tool_stderr`;
}

const part = (name: string): string => readFileSync(join(__dirname, name), 'utf8');

/** Variables of the container command; `launch_N` takes them away from what runs in the container. */
function exportLines(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .filter(([name]) => isShellName(name))
    .map(([name, value]) => `export ${assignment(name, value)}\n`)
    .join('');
}

export function jobScript(runtime: RuntimeName, environment: Readonly<Record<string, string>>): string {
  return scriptFor(runtime, `${exportLines(environment)}${part('absence.sh')}\n${part('job-host.sh')}`);
}

export function errandScript(runtime: RuntimeName, environment: Readonly<Record<string, string>>): string {
  const engine = RUNTIMES[runtime].engine ? `${assignment('ENGINE', runtime)}\n` : '';
  return `#!/bin/sh\n${exportLines(environment)}${engine}${sharedPart('processes.sh')}\n${part('absence.sh')}\n${part('errand.sh')}`;
}

/** Every file of `plan/`. Pure: the same job and context give the same bytes. */
export function pulsarPlan(job: Job, context: PlanContext): ReadonlyMap<string, string> {
  const { settings, worker, runtime, jobDirectory } = context;
  const plan = mountPlan(job.request);
  const layout = layoutOf(`${jobDirectory}/metadata/${WORKSPACE}`);
  const limitContext = { pidsLimit: settings.pidsLimit, machineCores: worker.cores };
  const limits = limitsOf(job, limitContext);
  const groups = limitGroups(runtime, worker, parentGroup(settings.instance), job.name, limits);
  const own = `${jobDirectory.slice(0, jobDirectory.lastIndexOf('/'))}/.tes-gateway`;
  const hostView = { etcCopy: `${layout.directory}/etc`, closedList: `${own}/closed`, isKept: false };
  const files = new Map(
    manifest(job, plan, {
      ...limitContext,
      runtime,
      instance: settings.instance,
      network: settings.network,
      layout,
      mark: `${layout.directory}/cancelled`,
      killGraceSeconds: settings.killGraceSeconds,
      asRoot: worker.asRoot,
      cgroups: groups.joined,
      overlay: worker.overlay,
      capabilities: settings.capabilities,
      selinux: worker.selinux,
      ...(groups.parent !== undefined && { memoryCgroup: groups.parent }),
      ...(worker.init !== undefined && { init: worker.init }),
      imagesDirectory: `${own}/images/${runtime}`,
      knownImages: new Map(),
      images: job.request.executors.map(({ image }) => imageSource(image, settings)),
      hostView,
      readHost: (path) => (path === hostView.etcCopy ? copiedOf(context.readHost('/etc')) : context.readHost(path)),
      readTree: context.readTree,
    }),
  );
  const stager = stagerPart(job, settings, layout.directory);
  const lines = [assignment('TAIL', job.tailBytes), ...groups.lines, ...stager.lines, treesFunction(plan), sumsFunction(job, plan)];
  files.set('plan.sh', `${files.get('plan.sh') ?? ''}${lines.join('\n')}\n`);
  return new Map([...files, ...stager.files]);
}

/** What the copy of /etc will hold, which the job itself makes. A link there counts as what it leads to, which is not known here. */
function copiedOf(etc: readonly HostEntry[]): readonly HostEntry[] {
  const names = new Set<string>(HOST_ETC);
  return etc.filter(({ name }) => names.has(name)).map(({ name, kind }) => ({ name, kind: kind === 'directory' ? kind : 'file' }));
}

interface LimitGroups {
  /** What the executors of bubblewrap and apptainer join. */
  readonly joined: readonly string[];
  /** podman: `--cgroup-parent`. */
  readonly parent?: string;
  readonly lines: readonly string[];
}

/** The script makes the groups: nobody else is on that machine. */
function limitGroups(runtime: RuntimeName, worker: WorkerFacts, group: string, jobName: string, limits: Limits): LimitGroups {
  const { groups: layout, needsMemoryGroup } = worker;
  const ownLimits = !RUNTIMES[runtime].engine;
  if (layout === 'none' || (!needsMemoryGroup && !ownLimits)) return { joined: [], lines: groupLines([], [], {}) };
  const root = '/sys/fs/cgroup';
  const below = `${group}/${jobName}`;
  const at = (controller: string): string => (layout === 'v2' ? `${root}/${below}` : `${root}/${controller}/${below}`);
  const commands = (rules: readonly CgroupRule[]): readonly string[] =>
    rules.map(({ controller, file, value, ifThere }) => {
      const path = quoteWord(`${at(controller)}/${file}`);
      const write = `echo ${quoteWord(value)} >${path}`;
      return ifThere === true ? `{ [ ! -e ${path} ] || ${write}; }` : write;
    });
  if (needsMemoryGroup) {
    const rules = commands(memoryRules(layout, limits.memoryBytes));
    return {
      joined: [],
      parent: `/${below}`,
      lines: groupLines([at('memory')], rules, { refusals: `${at('memory')}/memory.failcnt` }),
    };
  }
  const enable = layout === 'v2' ? [`echo '+memory +pids +cpu' >${quoteWord(`${root}/${group}/cgroup.subtree_control`)}`] : [];
  const joined = layout === 'v2' ? [at('memory')] : [at('memory'), at('cpu'), at('pids')];
  const events = { memory: `${at('memory')}/memory.${layout === 'v2' ? 'events' : 'oom_control'}`, pids: `${at('pids')}/pids.events` };
  return { joined, lines: groupLines(joined, [...enable, ...commands(cgroupRules(layout, limits))], events) };
}

function groupLines(
  directories: readonly string[],
  rules: readonly string[],
  files: { readonly memory?: string; readonly pids?: string; readonly refusals?: string },
): readonly string[] {
  return [
    assignment('LIMIT_GROUPS', directories.join(' ')),
    `limit_groups() { ${rules.length === 0 ? ':' : rules.join(' && ')}; }`,
    assignment('MEMORY_EVENTS', files.memory ?? ''),
    assignment('PIDS_EVENTS', files.pids ?? ''),
    assignment('MEMORY_REFUSALS', files.refusals ?? ''),
  ];
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
