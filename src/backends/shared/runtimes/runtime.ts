import type { TesExecutor } from '../../../task/tes';
import type { MountPlan } from '../mount-plan';

export const RUNTIME_NAMES = ['docker', 'podman', 'apptainer', 'bubblewrap'] as const;
export type RuntimeName = (typeof RUNTIME_NAMES)[number];

/** What executors reach: the runtime's own network, the machine's, or nothing. */
export const NETWORK_NAMES = ['default', 'host', 'none'] as const;
export type NetworkName = (typeof NETWORK_NAMES)[number];

/** Where the bytes of an image come from. */
export type ImageSource =
  /** By name, from the engine's own store or a registry. */
  | {
      readonly kind: 'registry';
      readonly reference: string;
      readonly pull: 'always' | 'missing' | 'never';
      /** The owner of the task has a login of its own there, which lies in `plan/`: what it brings is not for everybody. */
      readonly login?: true;
    }
  /** A file or directory of the machine that the job runs on; when the job opens it, its real place must lie below one of `within`. */
  | { readonly kind: 'file'; readonly path: string; readonly within: readonly string[] }
  /** Recorded, not used (bubblewrap). */
  | { readonly kind: 'none' };

export interface Limits {
  readonly cpuCores: number;
  readonly memoryBytes: number;
  readonly pids: number;
}

/** Everything about one executor that a runtime turns into an argv. Paths are the host's. */
export interface ExecutorContext {
  readonly jobName: string;
  /** Whose task it is, as a name of files. */
  readonly owner: string;
  readonly index: number;
  readonly executor: TesExecutor;
  readonly plan: MountPlan;
  /** Absolute directory of the workspace. */
  readonly workspace: string;
  readonly trees: string;
  readonly image: ImageSource;
  readonly limits: Limits;
  readonly network: NetworkName;
  /** `all` or a number, checked. */
  readonly gpus?: string;
  /** Container and image labels, for finding and fencing. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What a runtime makes of one executor: shell words for the plan, and files beside it. Pure data. */
export interface Launch {
  /** Body of `launch_N`: commands whose every word was quoted; the last one replaces the shell. */
  readonly commands: readonly string[];
  /** Body of `before_N`, after the link-refusing preparation; empty = nothing. */
  readonly before: readonly string[];
  /** File name in `plan/` -> content, readable by the gateway's user alone. */
  readonly files: Readonly<Record<string, string>>;
}

/** What one runtime can do, for the table of the README and `capabilities`. */
export interface RuntimeAbilities {
  readonly image: string;
  readonly network: string;
  readonly user: string;
  readonly variables: string;
  readonly gpus: string;
  readonly memory: string;
  readonly cpus: string;
  readonly pids: string;
  readonly wallClock: string;
  readonly disk: string;
}

/** Of a limit that is a group of ours. */
export const BY_CGROUPS = 'enforced as root where cgroups can be written, else not';

export const CONTAINER_DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function envOf(executor: TesExecutor): readonly (readonly [string, string])[] {
  return Object.entries(executor.env ?? {});
}

/** One field of a line of CSV, as the `--mount` options of all engines read it. */
export function csvField(field: string): string {
  return `"${field.replaceAll('"', '""')}"`;
}

/** Variables of a container command that its container must not see: it is the first process there, and its environment can be read. */
const OF_THE_GATEWAY = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'].concat(
  ['USER', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'DOCKER_HOST', 'DOCKER_CERT_PATH', 'DOCKER_TLS_VERIFY', 'DOCKER_CONTEXT'],
  ['DOCKER_CONFIG', 'CONTAINER_HOST', 'CONTAINERS_CONF', 'CONTAINERS_STORAGE_CONF', 'CONTAINERS_REGISTRIES_CONF', 'REGISTRY_AUTH_FILE'],
);
export const FORGET_GATEWAY = `unset ${OF_THE_GATEWAY.join(' ')}`;
