import { createHash } from 'node:crypto';
import { segmentsOf } from '../../../task/container-path';
import { type MountPlan, ROOT_TREE } from '../mount-plan';
import { assignment, quoteWord, quoteWords } from '../shell-quote';
import { type Init, initOptions } from './init';
import { variableWay } from './client-variables';
import { INSTANCE_LABEL } from './labels';
import { wholeImageName } from './image-name';
import { csvField, envOf, type ExecutorContext, type ImageSource, type Launch } from './runtime';

/** What docker and podman do differently. */
export interface ContainerDialect {
  readonly engine: 'docker' | 'podman';
  /** Files of its containers are the engine's, not those of a gateway that is not root: every tree travels by the engine's copy then. */
  readonly copiesForOthers: boolean;
  /** Always given. */
  readonly options: readonly string[];
  gpuOptions(gpus: string): readonly string[];
  /** What the engine keeps of the streams beside what its command writes. */
  logOptions(context: ExecutorContext): readonly string[];
}

export interface ContainerSettings {
  readonly asRoot: boolean;
  /** Directory for what is learnt of images, absolute. */
  readonly imagesDirectory: string;
  readonly instance: string;
  /** Image name -> id, as seen a moment ago: saves asking the engine. */
  readonly knownImages: ReadonlyMap<string, string>;
  /** podman with cgroups version 1 does not say when memory ran out: the job's own group holds the limit then. */
  readonly memoryCgroup?: string;
  /** Absent where the engine's machine has none. */
  readonly init?: Init;
  /** Capabilities of root in a container, without `CAP_`. */
  readonly capabilities: readonly string[];
  /** The host's kernel has SELinux. */
  readonly selinux: boolean;
  /** The command that takes the names out of an archive of images; absent where no image files are taken. */
  readonly unnameImage?: readonly string[];
}

/** The argv of one executor. The CLI gets a clean environment; every option is one word made here, and the image comes by its id. */
export function containerLaunch(dialect: ContainerDialect, context: ExecutorContext, settings: ContainerSettings): Launch {
  const { index, executor, plan } = context;
  const copied = copiedTrees(dialect, plan, settings);
  const { options, envFile, exported } = containerOptions(dialect, context, settings, new Set(copied));
  const name = `${context.jobName}-${index}`;
  const verb = copied.length > 0 ? 'create' : 'run';
  const words = quoteWords([dialect.engine, verb, '--name', name, ...options]);
  const command = `${words} ${interactive(executor.stdin)}"$image" ${quoteWords(executor.command)}`;
  // In front of the command itself, where its own words have been expanded before: no name changes what this script goes by.
  const prefix = exported.map(([variable, value]) => `${assignment(variable, value)} `).join('');
  const isCreated = copied.length > 0;
  return {
    before: [`name=${quoteWord(name)}`, ...(isCreated ? [`create() { ${prefix}${command}; }`] : [])],
    commands: isCreated ? ['start_created'] : [`${prefix}exec ${command}`],
    files: envFile === '' ? {} : { [`${index}.env`]: envFile },
  };
}

const interactive = (stdin: string | undefined): string => (stdin === undefined ? '' : '-i ');

function containerOptions(
  dialect: ContainerDialect,
  context: ExecutorContext,
  settings: ContainerSettings,
  copied: ReadonlySet<string>,
): { options: readonly string[]; envFile: string; exported: readonly (readonly [string, string])[] } {
  const { executor, index, limits } = context;
  const options = ['--pull=never', ...dialect.logOptions(context), '--entrypoint=', ...dialect.options, ...initOptions(settings.init)];
  options.push(...rightsOptions(settings));
  for (const [label, value] of Object.entries(context.labels)) options.push(`--label=${label}=${value}`);
  if (context.network !== 'default') options.push(`--network=${context.network}`);
  options.push(`--cpus=${limits.cpuCores}`, `--pids-limit=${limits.pids}`);
  if (settings.memoryCgroup === undefined) options.push(`--memory=${limits.memoryBytes}`, `--memory-swap=${limits.memoryBytes}`);
  else options.push(`--cgroup-parent=${settings.memoryCgroup}`);
  // What lies there counts as memory of the container, whose limit is the smaller one; the engines' own 64 MB are too little for many programs.
  options.push(`--shm-size=${limits.memoryBytes}`);
  if (context.gpus !== undefined) options.push(...dialect.gpuOptions(context.gpus));
  if (executor.workdir !== undefined) options.push(`--workdir=${executor.workdir}`);
  for (const root of context.plan.roots) {
    const target = csvField(`target=${root.path}`);
    // A volume without a name goes with its container.
    if (copied.has(root.tree)) options.push(`--mount=type=volume,${target},volume-nocopy`);
    else options.push(`--mount=type=bind,${csvField(`source=${context.trees}/${root.tree}`)},${target}`);
  }
  let envFile = '';
  const exported: (readonly [string, string])[] = [];
  for (const [name, value] of envOf(executor)) {
    const way = variableWay(dialect.engine, name, value);
    if (way === 'file') envFile += `${name}=${value}\n`;
    if (way === 'environment') exported.push([name, value]);
  }
  options.push(...exported.map(([name]) => `--env=${name}`));
  if (envFile !== '') options.push(`--env-file=plan/${index}.env`);
  return { options, envFile, exported };
}

/** What both engines give a container by themselves. */
const USUAL_CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID'].concat([
  'AUDIT_WRITE',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETPCAP',
  'SYS_CHROOT',
]);

/** Only what is wanted beyond the usual is added: podman hands what was added on to a user that is not root, too. */
function rightsOptions({ capabilities, selinux }: ContainerSettings): readonly string[] {
  return [
    '--security-opt=no-new-privileges',
    // A container may not touch what its engine did not label; the gateway reads and writes the same files, under labels of its own.
    ...(selinux ? ['--security-opt=label=disable'] : []),
    ...USUAL_CAPABILITIES.filter((name) => !capabilities.includes(name)).map((name) => `--cap-drop=${name}`),
    ...capabilities.filter((name) => !USUAL_CAPABILITIES.includes(name)).map((name) => `--cap-add=${name}`),
  ];
}

/** Trees that travel by the engine's own copy: the one of `/`, which cannot be mounted, and all where the gateway could not own the files. */
function copiedTrees(dialect: ContainerDialect, plan: MountPlan, settings: ContainerSettings): readonly string[] {
  const volumes = dialect.copiesForOthers && !settings.asRoot ? plan.roots.map((root) => root.tree) : [];
  return plan.rootEntries ? [...volumes, ROOT_TREE] : volumes;
}

/** Lines of the plan that `containers.sh` works with. */
export function containerLines(
  dialect: ContainerDialect,
  contexts: readonly ExecutorContext[],
  plan: MountPlan,
  settings: ContainerSettings,
): readonly string[] {
  const mounted = [...new Set(plan.roots.map((root) => root.segments[0] ?? ''))];
  return [
    assignment('ENGINE', dialect.engine),
    assignment('IMAGES', settings.imagesDirectory),
    assignment('OWNER', contexts[0]?.owner ?? ''),
    assignment('ROOT', settings.asRoot ? 1 : 0),
    assignment('COPIED', copiedTrees(dialect, plan, settings).join(' ')),
    assignment('MINE', `--label=${INSTANCE_LABEL}=${settings.instance}`),
    assignment('SHELL_PROGRAM', '/bin/sh'),
    `unname_image() { ${settings.unnameImage === undefined ? 'false' : quoteWords(settings.unnameImage)}; }`,
    wordTest('is_mounted', mounted),
    wordTest('is_named', plan.rootNames),
    assignment('ROOT_WILDCARD', plan.rootWildcard ? 1 : 0),
    ...plan.roots.map((root) => `path_of_${root.tree}() { path=${quoteWord(root.path)}; }`),
    ...contexts.flatMap((context) => [imageFunction(context, settings), rootsFunction(context, plan), takeFunction(context, plan)]),
  ];
}

function imageFunction({ index, image }: ExecutorContext, settings: ContainerSettings): string {
  return `image_${index}() { ${imageCommand(index, image, settings)}; }`;
}

function imageCommand(index: number, image: ImageSource, settings: ContainerSettings): string {
  switch (image.kind) {
    case 'registry':
      return `resolve_image ${index} ${quoteWords([image.reference, image.pull, knownId(image, settings), ...wholeNameOf(image.reference), image.login ? '1' : '0'])}`;
    case 'file':
      return `load_image ${index} ${quoteWords([image.path, ...image.within])}`;
    case 'none':
      return 'return 1';
    default: {
      const never: never = image;
      return never;
    }
  }
}

/** And what stands for it in the names of files. */
function wholeNameOf(reference: string): readonly [name: string, digest: string] {
  const name = wholeImageName(reference);
  return [name, createHash('sha256').update(name).digest('hex')];
}

function knownId({ reference, pull }: Extract<ImageSource, { kind: 'registry' }>, { knownImages }: ContainerSettings): string {
  return pull === 'always' ? '' : (knownImages.get(reference) ?? '');
}

function rootsFunction({ index }: ExecutorContext, plan: MountPlan): string {
  const checks = plan.roots
    .filter((root) => !root.fresh)
    .map((root) => `fill_root ${index} ${quoteWords([createHash('sha256').update(root.path).digest('hex'), root.tree, root.path])}`);
  return `roots_${index}() { ${checks.length === 0 ? ':' : checks.join(' && ')}; }`;
}

/** What the request names directly in `/`, after an executor. Its own streams are put there instead of what it left. */
function takeFunction({ index, executor }: ExecutorContext, plan: MountPlan): string {
  const own = new Set([executor.stdout, executor.stderr].map((path) => (path === undefined ? '' : segmentsOf(path).join('/'))));
  const names = plan.rootNames.filter((name) => !own.has(name));
  return `take_named_${index}() { ${names.length === 0 ? ':' : names.map((name) => `take_entry ${index} ${quoteWord(name)}`).join(' && ')}; }`;
}

function wordTest(name: string, words: readonly string[]): string {
  const patterns = words.map(quoteWord).join(' | ');
  return `${name}() { ${words.length === 0 ? 'false' : `case $1 in ${patterns}) true ;; *) false ;; esac`}; }`;
}
