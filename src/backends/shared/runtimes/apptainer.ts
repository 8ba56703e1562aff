import { createHash } from 'node:crypto';
import type { MountPlan } from '../mount-plan';
import type { TesTaskRequest } from '../../../task/tes';
import { assignment, isShellName, quoteWord, quoteWords } from '../shell-quote';
import { gpusRefusals } from './gpus';
import { kernelPaths } from './host-root';
import type { Runtime } from './record';
import { BY_CGROUPS, csvField, envOf, type ExecutorContext, FORGET_GATEWAY, type ImageSource, type Launch } from './runtime';

export interface ApptainerSettings {
  readonly asRoot: boolean;
  /** A writable layer over an image works on this machine. */
  readonly overlay: boolean;
  readonly imagesDirectory: string;
  readonly cgroups: readonly string[];
}

/** The argv of one executor. Variables travel as APPTAINERENV_NAME with --no-eval: the only way in which values arrive byte for byte. */
export function apptainerLaunch(context: ExecutorContext, settings: ApptainerSettings): Launch {
  const { executor, index } = context;
  const options = ['--containall', '--no-home', '--no-eval'];
  options.push(...(settings.overlay ? [`--overlay=${context.workspace}/layer`] : ['--writable-tmpfs']));
  if (context.network === 'none' && settings.asRoot) options.push('--net', '--network=none');
  if (context.gpus !== undefined) options.push('--nv');
  for (const root of mountedRoots(context.plan, settings.overlay)) {
    options.push(`--mount=type=bind,${csvField(`source=${context.trees}/${root.tree}`)},${csvField(`destination=${root.path}`)}`);
  }
  if (settings.asRoot) {
    for (const { path, masked } of kernelPaths())
      options.push(`--mount=type=bind,source=${masked ? '/dev/null' : path},destination=${path},ro`);
  }
  const env = envOf(executor);
  const home = env.find(([name]) => name === 'HOME')?.[1];
  options.push(`--pwd=${executor.workdir ?? '/'}`);
  return {
    before: [],
    commands: [
      FORGET_GATEWAY,
      ...(settings.cgroups.length === 0 ? [] : [`cgroups=${quoteWord(settings.cgroups.join(' '))}`, 'join_cgroups || exit 125']),
      // Its own name for the option `--home`, which would show the value to everybody.
      ...(home === undefined ? [] : [`export ${assignment('APPTAINER_HOME', home)}`]),
      ...env.filter(([name]) => name !== 'HOME').map(([name, value]) => `export ${assignment(`APPTAINERENV_${name}`, value)}`),
      `enter ${index} ${quoteWords(['apptainer', '-q', 'exec', ...options])} "$image" ${quoteWords(executor.command)}`,
    ],
    files: {},
  };
}

/** Lines of the plan that `apptainer.sh` works with. */
export function apptainerLines(contexts: readonly ExecutorContext[], plan: MountPlan, settings: ApptainerSettings): readonly string[] {
  const laid = plan.roots
    .filter((root) => !root.fresh)
    .map((root) => `"$1" ${quoteWords([root.tree, root.segments.at(-1) ?? '', ...root.segments.slice(0, -1)])}`);
  return [
    assignment('IMAGES', settings.imagesDirectory),
    assignment('OVERLAY', settings.overlay ? 1 : 0),
    assignment('ROOT', settings.asRoot ? 1 : 0),
    `each_tree() { ${laid.length === 0 ? ':' : laid.join(' && ')}; }`,
    ...contexts.flatMap(({ index, image, owner }) => [
      `image_${index}() { ${imageCommand(index, image, owner)}; }`,
      `open_${index}() { ${image.kind === 'file' ? `open_image ${quoteWords([image.path, ...image.within])}` : 'false'}; }`,
    ]),
  ];
}

function mountedRoots(plan: MountPlan, overlay: boolean): MountPlan['roots'] {
  return overlay ? plan.roots.filter((root) => root.fresh) : plan.roots;
}

/** What the login of one user brought is a file of that user's own: others make theirs, by what they may have. */
function imageCommand(index: number, image: ImageSource, owner: string): string {
  switch (image.kind) {
    case 'registry': {
      const name = createHash('sha256').update(image.reference).digest('hex').slice(0, 32);
      const own = image.login ? [`${name}-${owner}.sif`] : [];
      return `make_image ${index} ${quoteWords([`${name}.sif`, `docker://${image.reference}`, image.pull, ...own])}`;
    }
    case 'file':
      return `use_image ${index} ${image.within.includes('/') ? 1 : 0}`;
    case 'none':
      return 'return 1';
    default: {
      const never: never = image;
      return never;
    }
  }
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

export const APPTAINER: Runtime = {
  name: 'apptainer',
  abilities: {
    image: 'used; its USER, WORKDIR and ENTRYPOINT are not; a layer over it can be written where overlays work, else /tmp and the mounts',
    network: "default and host: the machine's; none: enforced as root, else refused",
    user: "the gateway's",
    variables: 'names that a shell can hold, values without CR LF and U+0080; LD_LIBRARY_PATH gets a directory of apptainer appended',
    gpus: '`gpus` -> --nv',
    memory: BY_CGROUPS,
    cpus: BY_CGROUPS,
    pids: BY_CGROUPS,
    wallClock: 'enforced',
    disk: 'not enforced',
  },
  parameterKeys: ['gpus'],
  usesImages: true,
  isAutomatic: true,
  takesFilesOfWorkers: true,
  layersImages: true,
  showsHost: false,
  versionCommand: ['apptainer', '--version'],
  scriptParts: ['image-files.sh', 'apptainer.sh'],
  refusals: (request) => [...gpusRefusals(request), ...unspeakableVariables(request)],
  launches: (contexts, plan, context) => ({
    launches: contexts.map((executor) => apptainerLaunch(executor, context)),
    lines: apptainerLines(contexts, plan, context),
  }),
};
