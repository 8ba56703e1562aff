import type { Logger } from 'pino';
import { directoryId } from './config/instance-name';
import type { Settings } from './config/settings';
import { adapterOf, type Adapters, type StoreInReach } from './ports/adapter';
import { KeyFile } from './credentials/key-file';
import { UserCredentials } from './credentials/user-credentials';
import type { Authenticator } from './ports/authenticator';
import type { ExecutionBackend } from './ports/execution-backend';
import { isLoopback } from './ports/host-name';
import type { CredentialsOfOwners } from './ports/credentials';
import type { Owner } from './task/owner';
import type { StorageClient } from './ports/storage-client';
import type { TaskStore } from './ports/store/task-store';
import * as slices from './settings-slices';

export interface GatewayContext {
  readonly settings: Settings;
  readonly version: string;
  readonly log: Logger;
  /** What the backends' programs (docker, podman, apptainer) see of this process's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absent = all there are. */
  readonly adapters?: Adapters;
}

export type Composition = GatewayContext & { readonly adapters: Adapters; readonly instance: string };

export function openStore({ adapters, instance, settings, log }: Composition): Promise<StoreInReach> {
  const { type } = settings.store;
  return adapterOf(adapters.stores, type).create(settings.store, {
    dataDir: settings.data_dir,
    instance,
    home: directoryId(settings.data_dir),
    maxDueMs: slices.maxDueMs(settings),
    // Rare, and part of it is trouble (a store that is unreachable, or damaged), which an operator must read who asked for warnings only.
    onProgress: (line) => log.warn({ store: type }, line),
    onTaken: (why) => endAtOnce(log, why),
  });
}

/** Another process works under this one's name: nothing that this one does any more is right. Jobs go on. */
function endAtOnce(log: Logger, why: string): void {
  log.fatal(`${why}: this process ends at once`);
  process.exit(1);
}

export function createBackends(
  composition: Composition,
  credentials: CredentialsOfOwners | undefined,
): Promise<readonly ExecutionBackend[]> {
  const { adapters, settings, environment, instance, log } = composition;
  return Promise.all(
    settings.backends.map((entry) => {
      const surroundings: Parameters<typeof slices.backendContext>[2] = {
        instance,
        environment,
        ...(credentials && { logins: (owner: Owner, hosts: readonly string[]) => credentials.logins(owner, hosts) }),
        log: (level, message, fields) => log[level]({ backend: entry.name, ...fields }, message),
      };
      return adapterOf(adapters.backends, entry.type).create(entry, slices.backendContext(settings, entry.name, surroundings, adapters));
    }),
  );
}

/** `undefined` = users save none. Throws CredentialError when the keys are not to be had. */
export async function createCredentials(
  { adapters, settings }: Composition,
  { store }: StoreInReach,
): Promise<UserCredentials | undefined> {
  const { key_file: path, max_per_user: most } = settings.credentials;
  if (path === '') return undefined;
  const keys = new KeyFile(path);
  await keys.read();
  const schemes = new Map(
    adapters.storages.flatMap(({ schemes, takesCredentials: types }) => schemes.flatMap((one) => (types ? [[one, types]] : []))),
  );
  return new UserCredentials(store, keys, { most, schemes });
}

export function createStorages(
  { adapters, settings, instance }: Composition,
  credentials: CredentialsOfOwners | undefined,
): Promise<readonly StorageClient[]> {
  const secrets = credentials && ((owner: Owner) => credentials.storage(owner));
  return Promise.all(
    adapters.storages.map((adapter) =>
      adapter.create(adapter.here(settings.storage[adapter.type] ?? {}, { ...slices.surroundingsOf(settings), instance }), secrets),
    ),
  );
}

export function createAuthenticators(
  { adapters, settings: { auth, rates, server }, log }: Composition,
  store: TaskStore,
): Promise<readonly Authenticator[]> {
  const chosen = auth.schemes.map((type) => adapterOf(adapters.authenticators, type));
  if (chosen.some(({ isAnonymous }) => isAnonymous) && !isLoopback(server.host))
    log.warn(`THERE IS NO LOGIN: everybody who reaches ${server.host} may run tasks here (setting auth.allow_anonymous)`);
  return Promise.all(
    chosen.map((adapter) =>
      adapter.create(auth[adapter.type] ?? {}, {
        failedLoginsPerMinute: rates.failed_logins,
        store,
        log: (level, message, fields) => log[level]({ scheme: adapter.type, ...fields }, message),
      }),
    ),
  );
}
