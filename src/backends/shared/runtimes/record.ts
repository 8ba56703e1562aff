import type { TesTaskRequest } from '../../../task/tes';
import type { JobDirectories } from '../job-paths';
import type { Layout } from '../layout';
import type { MountPlan } from '../mount-plan';
import type { HostView, ReadDirectory } from './host-root';
import type { Init } from './init';
import type { ExecutorContext, ImageSource, Launch, NetworkName, RuntimeAbilities, RuntimeName } from './runtime';

/** What the plan of a job is made from, beside the job. */
export interface ManifestContext {
  readonly runtime: RuntimeName;
  readonly instance: string;
  readonly network: NetworkName;
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

/** What a runtime makes of a job. */
export interface Launches {
  /** By executor. */
  readonly launches: readonly Launch[];
  /** Lines of the plan that the runtime's part of the script works with. */
  readonly lines: readonly string[];
}

/** What runs executors. One file each; `runtimes.ts` lists them, and nothing else compares their names. */
export interface Runtime {
  readonly name: RuntimeName;
  /** For people: the table of the README and the notes of a backend. */
  readonly abilities: RuntimeAbilities;
  /** `backend_parameters` that it understands. */
  readonly parameterKeys: readonly string[];
  /** False: an image is recorded, and the programs are the machine's own. */
  readonly usesImages: boolean;
  /** May be chosen by `runtime: auto`, in the order of the list. */
  readonly isAutomatic: boolean;
  /** A task may name an image file of a worker by its path; on this machine every runtime that uses images takes files. */
  readonly takesFilesOfWorkers: boolean;
  /** Wants a writable layer over an image, which not every machine can give. */
  readonly layersImages: boolean;
  /** Shows executors the machine's own directories: its plan needs `hostView`. */
  readonly showsHost: boolean;
  /** It has containers of its own and limits them itself; absent = the job's processes are the script's children, limited by groups of ours. */
  readonly engine?: EngineTraits;
  /** Asks its version; the last word of the answer is that. */
  readonly versionCommand: readonly string[];
  /** Its parts of the job script, files of this folder. */
  readonly scriptParts: readonly string[];
  /** Why none of these executors could ever be started by it, beside what holds for every runtime. Public, pure and fast. */
  refusals(request: TesTaskRequest, directories: JobDirectories): readonly string[];
  /** Pure. */
  launches(contexts: readonly ExecutorContext[], plan: MountPlan, context: ManifestContext): Launches;
}

/** What the gateway asks of docker or podman, whose command has the runtime's name. */
export interface EngineTraits {
  /** Given to every `run` and `create`. */
  readonly options: readonly string[];
  /** `version --format`. */
  readonly versionFormat: string;
  /** `info --format`: which limits it can enforce on its machine. What it enforces is not read back. */
  readonly limitsFormat: string;
  /** That answer in words; `undefined` when the engine did not say. */
  limitsSaid(answer: string): string | undefined;
  /** `info --format`: its init; absent = any of `INIT_PATHS` on its machine will do. */
  readonly initFormat?: string;
  /** From that answer, or from such a path; `undefined` = there is none. */
  initOf(said: string): Init | undefined;
  /** `info --format`, and the answer at which it does not say when memory ran out: then a group of ours holds the limit. Asked of root's only. */
  readonly memoryGroup?: { readonly format: string; readonly answer: string };
  /** The program that it leaves beside each container, with the container's name among its words; absent = none. */
  readonly watcher?: string;
  /** Shell words that have a container of it write as the user who started it. */
  readonly asCaller: string;
}
