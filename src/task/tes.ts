/**
 * The words of GA4GH TES 1.1 as they travel on the wire (`test/e2e/tes-1.1.openapi.yaml`).
 * `snake_case` lives here and nowhere else. Optional members are absent, never `null` or `""`.
 */

/** Every state a client may see (tesState). Which of them are terminal is said in `task-state.ts`. */
export const TES_STATES = [
  'UNKNOWN',
  'QUEUED',
  'INITIALIZING',
  'RUNNING',
  'PAUSED',
  'COMPLETE',
  'EXECUTOR_ERROR',
  'SYSTEM_ERROR',
  'CANCELED',
  'PREEMPTED',
  'CANCELING',
] as const;
export type TesState = (typeof TES_STATES)[number];

export const TES_VIEWS = ['MINIMAL', 'BASIC', 'FULL'] as const;
export type TesView = (typeof TES_VIEWS)[number];

export const TES_FILE_TYPES = ['FILE', 'DIRECTORY'] as const;
export type TesFileType = (typeof TES_FILE_TYPES)[number];
/** Types of inputs or outputs as found at run time, by index: only those that differ from the request. */
export type FoundTypes = Readonly<Record<number, TesFileType>>;

/** tesInput: a file or directory that is present in every executor at `path` before the first one starts. */
export interface TesInput {
  name?: string;
  description?: string;
  /** Where it is read from; absent when `content` is given. Opaque: never normalised or re-encoded. */
  url?: string;
  /** Absolute, inside the container. */
  path: string;
  type: TesFileType;
  /** The file itself, UTF-8. Left out of the BASIC view. */
  content?: string;
  streamable?: boolean;
}

/** tesOutput: what is taken out after the executors ended. `path` may hold POSIX wildcards if `path_prefix` is set. */
export interface TesOutput {
  name?: string;
  description?: string;
  url: string;
  path: string;
  path_prefix?: string;
  type: TesFileType;
}

/** tesExecutor: one command in one container image; executors run one after the other. */
export interface TesExecutor {
  image: string;
  /** argv, passed byte for byte; no shell is implied. */
  command: string[];
  workdir?: string;
  stdin?: string;
  stdout?: string;
  stderr?: string;
  env?: Record<string, string>;
  ignore_error?: boolean;
}

/** tesResources: requests, never guarantees. GB are read as 2^30 bytes. */
export interface TesResources {
  cpu_cores?: number;
  preemptible?: boolean;
  ram_gb?: number;
  disk_gb?: number;
  zones?: string[];
  backend_parameters?: Record<string, string>;
  backend_parameters_strict?: boolean;
}

/** What the client asked for, after normalisation: nulls dropped, `type` filled, read-only members removed. Immutable. */
export interface TesTaskRequest {
  name?: string;
  description?: string;
  inputs?: TesInput[];
  outputs?: TesOutput[];
  resources?: TesResources;
  executors: TesExecutor[];
  volumes?: string[];
  tags?: Record<string, string>;
}

/** tesExecutorLog: exists only once its executor has ended (clients require `exit_code`). */
export interface TesExecutorLog {
  start_time?: string;
  end_time?: string;
  stdout?: string;
  stderr?: string;
  exit_code: number;
}

/** tesOutputFileLog: one uploaded file. `size_bytes` is a string of decimal digits. */
export interface TesOutputFileLog {
  url: string;
  path: string;
  size_bytes: string;
}

/** tesTaskLog: one attempt. */
export interface TesTaskLog {
  logs: TesExecutorLog[];
  metadata?: Record<string, string>;
  start_time?: string;
  end_time?: string;
  outputs: TesOutputFileLog[];
  system_logs?: string[];
}

/** tesTask as answered in the BASIC and FULL views. */
export interface TesTask extends TesTaskRequest {
  id: string;
  state: TesState;
  creation_time: string;
  logs?: TesTaskLog[];
}
