import type { ImageSettings, JobSettings, LogLevel } from '../../ports/adapter';
import type { NetworkName, RuntimeName } from '../shared/runtimes/runtime';

/** What the backend on this machine needs to know. Frozen; made by the composition root. */
export interface LocalBackendSettings extends JobSettings {
  readonly name: string;
  /** `auto`: docker if its daemon answers, else podman, else apptainer; never bubblewrap. */
  readonly runtime: 'auto' | RuntimeName;
  readonly network: NetworkName;
  /** Cores to give away; absent = all of this machine. */
  readonly cpus?: number;
  /** Memory to give away, in 2^30 bytes; absent = all of this machine. */
  readonly ramGb?: number;
  /** Disk (2^30 bytes) and GPUs to give away; absent = they are not counted. */
  readonly diskGb?: number;
  readonly gpus?: number;
  readonly drain: boolean;
  /** Absolute; workspaces lie below it. Not shared with another gateway. */
  readonly workDir: string;
  /** Stable name of this gateway process. */
  readonly instance: string;
  readonly images: ImageSettings;
  /**
   * Environment of the container command itself (never of an executor): `PATH`, `HOME`, `DOCKER_HOST`, `CONTAINERS_CONF`,
   * `XDG_RUNTIME_DIR`; the names worth passing on are `COMMAND_ENVIRONMENT`.
   */
  readonly environment?: Readonly<Record<string, string>>;
  readonly log: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Variables of the gateway's own environment that the composition root hands on, so that the container commands find their engine. */
export const COMMAND_ENVIRONMENT = [
  'PATH',
  'HOME',
  'USER',
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'DOCKER_HOST',
  'DOCKER_CERT_PATH',
  'DOCKER_TLS_VERIFY',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'CONTAINER_HOST',
  'CONTAINERS_CONF',
  'CONTAINERS_STORAGE_CONF',
  'CONTAINERS_REGISTRIES_CONF',
  'REGISTRY_AUTH_FILE',
  'APPTAINER_AUTHFILE',
  'APPTAINER_CACHEDIR',
  'APPTAINER_TMPDIR',
  'APPTAINER_CONFIGDIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'TMPDIR',
] as const;
