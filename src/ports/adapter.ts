import type { RetryPolicy } from '../task/failure-policy';
import type { Owner } from '../task/owner';
import type { CredentialsOfOwners, Secret, StorageSecrets } from './credentials';
import type { Authenticator } from './authenticator';
import { GatewayError } from './errors';
import type { ExecutionBackend } from './execution-backend';
import type { StorageClient } from './storage-client';
import type { TaskStore } from './store/task-store';

/**
 * How an adapter joins: its folder exports one of these records, and `src/adapters.ts` lists it. Everything that is said of its settings
 * (`--help`, the README's tables, `--check-config`, the JSON Schema) comes from its page. A record is data: what it needs to run, drivers
 * included, is imported inside `create`, so that a gateway loads only what its settings ask for.
 */

/** One setting. */
export interface SettingDefinition {
  readonly doc: string;
  /** A format that `config/setting-formats.ts` names, a choice of texts, or a rule of this setting's own. */
  readonly format: string | readonly string[] | SettingRule;
  /** What it is when nobody says; `undefined` = it is absent then. */
  readonly default: unknown;
  /** Masked wherever settings are shown. Every such KEY may be given as `KEY_file`, the name of a file that holds it. */
  readonly sensitive?: boolean;
  /** Of an entry of `backends`: it must be given. */
  readonly required?: true;
}

export interface SettingRule {
  readonly test: (value: unknown) => boolean;
  /** Public, what goes on after "must be": "a list of words". */
  readonly words: string;
  /** The same as JSON Schema, as far as that can say it. */
  readonly schema: object;
  /** Of a sensitive value that is not secret as a whole: what may be shown. */
  readonly mask?: (value: unknown) => unknown;
}

/** The settings of one adapter, by name. */
export type SettingsPage = Readonly<Record<string, SettingDefinition>>;

/** The values of a page, as `create` gets them. */
export type ValuesOf<Page> = {
  readonly [Key in keyof Page]: Page[Key] extends { readonly required: true; readonly default: infer Value }
    ? NonNullable<Value>
    : Page[Key] extends { readonly default: infer Value }
      ? Value
      : never;
};

interface Adapter<Values> {
  /** As the settings name it. */
  readonly type: string;
  /** What it is, in some words, for the page of settings. */
  readonly doc: string;
  readonly settings: SettingsPage;
  /** What is wrong although each value is right for itself: public lines that name the keys. */
  faults?(values: Values): readonly string[];
}

/** What every entry of `backends` says, whatever its type. */
export interface BackendEntry {
  readonly name: string;
  readonly type: string;
  /** Cores to give away; absent = all there are. */
  readonly cpus: number | undefined;
  /** Memory to give away, 2^30 bytes; absent = all there is. */
  readonly ram_gb: number | undefined;
  /** Disk (2^30 bytes) and GPUs to give away; absent = they are not counted. */
  readonly disk_gb: number | undefined;
  readonly gpus: number | undefined;
  readonly drain: boolean;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly url_prefixes: readonly string[] | undefined;
  /** What its tasks do while it is unreachable; absent = it is on this machine. */
  readonly when_away?: 'wait' | 'move';
  readonly move_after_seconds?: number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What the gateway lends every backend. */
export interface BackendContext {
  /** Stable name of this gateway process. */
  readonly instance: string;
  /** Absolute; this backend's own. */
  readonly workDir: string;
  /** What programs that it starts may see of this process's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly jobs: JobSettings;
  readonly images: ImageSettings;
  /** Logins of the owners of tasks, where users save any. A backend that cannot use them pulls without. */
  readonly logins?: CredentialsOfOwners['logins'];
  /** For transfers that the backend makes itself, beside its jobs. */
  readonly transfers: { readonly parallel: number; readonly tries: number };
  readonly retry: RetryPolicy;
  /** The storages that work on another machine, too. */
  readonly storagesElsewhere: readonly StorageElsewhere[];
  readonly log: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Settings `local.*`: they hold wherever a job runs. */
export interface JobSettings {
  /** Between TERM and KILL. */
  readonly killGraceSeconds: number;
  /** Most processes and threads of one executor. */
  readonly pidsLimit: number;
  /** What root may do in a container, names of Linux capabilities without `CAP_`. */
  readonly capabilities: readonly string[];
  readonly keepWorkspace: 'never' | 'on_error' | 'always';
  /** How long they stay, ms (absent: without limit), and how many bytes of them on each backend. */
  readonly kept: { readonly ageMs?: number; readonly bytes: number };
}

/** Settings `images.*`. */
export interface ImageSettings {
  /** Directories from which an image file may be named by a task. */
  readonly allowed: readonly string[];
  /** Image name -> archive, SIF or directory. */
  readonly map: Readonly<Record<string, string>>;
  readonly pull: 'always' | 'missing' | 'never';
  /** Registry logins, in the format of `docker login`. */
  readonly authFile?: string;
}

/** A storage as a stager on another machine gets it. */
export interface StorageElsewhere {
  /** Of its adapter, by which the stager knows it. */
  readonly name: string;
  readonly schemes: readonly string[];
  /** `StorageAdapter.elsewhere`. */
  slice(directories: readonly string[]): object;
}

/** A place where tasks run. An entry of `backends` with this `type` is one of them. */
export interface BackendAdapter<Values = object> extends Adapter<Values> {
  /** Its jobs run on other machines, and go on there while it is unreachable: its entries have `when_away` and `move_after_seconds`. */
  readonly isRemote: boolean;
  create(entry: BackendEntry & Values, context: BackendContext): Promise<ExecutionBackend>;
}

export interface StoreContext {
  /** Absolute. */
  readonly dataDir: string;
  readonly instance: string;
  /** Names the data directory whose lock this process has; absent = a command of an operator's beside the gateways. */
  readonly home?: string;
  /** The longest interval the engine ever puts between now and a `dueAt`, ms. */
  readonly maxDueMs: number;
  /** Lines for the operator. */
  readonly onProgress: (line: string) => void;
  /** Called when another process has taken this one's name: it must not go on. */
  readonly onTaken?: (why: string) => void;
}

/** A store, and when it can be used: one in another process may be away at the start. */
export interface StoreInReach {
  readonly store: TaskStore;
  /** Rejects with what no waiting mends. */
  readonly opened: Promise<void>;
}

/** Where tasks are kept; `store.type` chooses one. Its settings stand beside `store.type`. */
export interface StoreAdapter<Values = object> extends Adapter<Values> {
  /** Any number of gateways may use one store at once. */
  readonly isShared: boolean;
  create(values: Values, context: StoreContext): Promise<StoreInReach>;
  /** Where the store is one file of this machine: its path. */
  file?(context: Pick<StoreContext, 'dataDir'>): string;
  /** Copies that file, while a gateway may go on, into `target`. Resolves with the size in bytes. */
  backup?(context: Pick<StoreContext, 'dataDir' | 'onProgress'>, target: string): Promise<number>;
}

/** What a storage has to know of the gateway that it is for. */
export interface Surroundings {
  /** Nobody on another machine reaches the gateway, by its address or through a proxy: whoever creates tasks is on this machine already. */
  readonly servesThisMachineOnly: boolean;
}

/** Where files come from and go to. Its settings are the group `storage.TYPE`. */
export interface StorageAdapter<Values = object, Slice = object> extends Adapter<Values> {
  /** Of the URLs that it reaches; lower case, without `:`. */
  readonly schemes: readonly string[];
  /** What its client in this process is made from; plain data. `instance`: the name of the process. */
  here(values: Values, around: Surroundings & { readonly instance: string }): Slice;
  /** The same for a stager on another machine, where it may reach `directories`; absent = it works on this machine only. May hold secrets. */
  elsewhere?(values: Values, around: Surroundings & { readonly directories: readonly string[] }): Slice;
  /** It uses credentials of these types that users save for its URLs. */
  readonly takesCredentials?: readonly Secret['type'][];
  /** `secrets`: of the owner of a task; absent = nobody has any. */
  create(slice: Slice, secrets?: (owner: Owner) => StorageSecrets): Promise<StorageClient>;
}

export interface AuthenticatorContext {
  /** Of one address, so many at once and in the course of each minute (`rates.failed_logins`). */
  readonly failedLoginsPerMinute: number;
  /** May be away. */
  readonly store: Pick<TaskStore, 'now' | 'accessTokens'>;
  readonly log: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** A way to prove who one is; `auth.schemes` says which are on. Its settings are the group `auth.TYPE`. */
export interface AuthenticatorAdapter<Values = object> extends Adapter<Values> {
  /** It lets everybody in: it stands alone, and elsewhere than on a loopback address only where `auth.allow_anonymous` says so. */
  readonly isAnonymous?: true;
  /** Nobody comes in by it who has not come in by another one before: it does not stand alone. */
  readonly needsAnother?: true;
  /** Called when it is on. */
  create(values: Values, context: AuthenticatorContext): Promise<Authenticator>;
  /** What stands in its settings for a password. */
  hashPassword?(password: string): Promise<string>;
}

/** Everything that can be chosen in the settings. The first backend, store and authenticator are what there is when nobody chooses. */
export interface Adapters {
  readonly backends: readonly BackendAdapter[];
  readonly stores: readonly StoreAdapter[];
  readonly storages: readonly StorageAdapter[];
  readonly authenticators: readonly AuthenticatorAdapter[];
}

/** Names an adapter that is not in the list: of another version of this program. */
export class UnknownAdapter extends GatewayError {
  readonly code = 'UNKNOWN_ADAPTER';
}

/** The adapter of this type. Throws UnknownAdapter. */
export function adapterOf<Adapter extends { readonly type: string }>(all: readonly Adapter[], type: string): Adapter {
  const found = all.find((adapter) => adapter.type === type);
  if (found) return found;
  throw new UnknownAdapter(`this version of tes-gateway has no adapter ${type} (it has ${all.map((adapter) => adapter.type).join(', ')})`);
}
