import type { JobSettings } from '../../ports/adapter';
import type { CredentialsOfOwners } from '../../ports/credentials';
import type { RuntimeName } from '../shared/runtimes/runtime';
import type { MachineSettings } from '../shared/script/script.settings';

/** What the backend on this machine needs to know. Frozen; made by the composition root. */
export interface LocalBackendSettings extends MachineSettings, JobSettings {
  /** `auto`: docker if its daemon answers, else podman, else apptainer; never bubblewrap. */
  readonly runtime: 'auto' | RuntimeName;
  /** Absolute; workspaces lie below it. Not shared with another gateway. */
  readonly workDir: string;
  /** Where users save logins for registries. */
  readonly logins?: CredentialsOfOwners['logins'];
  /**
   * Environment of the container command itself (never of an executor): `PATH`, `HOME`, `DOCKER_HOST`, `CONTAINERS_CONF`,
   * `XDG_RUNTIME_DIR`; the names worth passing on are `COMMAND_ENVIRONMENT`.
   */
  readonly environment?: Readonly<Record<string, string>>;
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
