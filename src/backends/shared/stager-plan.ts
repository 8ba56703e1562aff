import type { AwayStorage, RetryPolicy } from '../../task/failure-policy';
import type { OutputFile } from '../../task/task-record';
import type { FoundTypes, TesTaskRequest } from '../../task/tes';
import { type Layout, layoutOf } from './layout';

/**
 * What is said between a job script and the stager beside it (`src/stager.main.ts`), in small files of the workspace:
 *
 * ```
 * plan/stager.json   the plan, read and removed before anything else is done: it may hold credentials
 * stager/in          made by rename when every input is in `trees`
 * stager/ask         made by the script when the outputs are wanted
 * stager/out         made by rename when every output is stored
 * stager/failed      made by rename instead of either; the stager has then ended
 * stager/log         its stderr: nothing, or why it could not even begin
 * ```
 */
export const STAGER_PLAN = 'stager.json';
/** Raised when an older stager could not carry a plan out; the stager refuses what it does not know. */
export const STAGER_VERSION = 1;
/** The list of what was stored travels in the job's report. */
export const MOST_RESULT_BYTES = 16 << 20;

/** Settings of one storage, by the name of its adapter. */
export interface StagerStorage {
  readonly name: string;
  readonly schemes: readonly string[];
  readonly settings: object;
}

export interface StagerPlan {
  readonly version: number;
  /** What of the request names files: no command, no environment, no tag. */
  readonly request: TesTaskRequest;
  readonly transfers: { readonly parallel: number; readonly tries: number };
  readonly retry: RetryPolicy;
  /** Only what the URLs of the request need. */
  readonly storage: readonly Omit<StagerStorage, 'schemes'>[];
}

interface StagedFiles {
  readonly systemLogs: readonly string[];
  /** What was moved, and how long that took. */
  readonly files: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface StagerIn extends StagedFiles {
  readonly inputTypes: FoundTypes;
}

export interface StagerOut extends StagedFiles {
  readonly outputs: readonly OutputFile[];
  readonly outputTypes: FoundTypes;
}

export interface StagerFailure {
  /** Public. */
  readonly message: string;
  /** Another attempt may succeed. */
  readonly retryable: boolean;
  /** The storage of an input is away. */
  readonly away?: AwayStorage;
}

/** The part of a request that decides what is moved where. */
export function stagerRequest(request: TesTaskRequest): TesTaskRequest {
  const { inputs = [], outputs = [], volumes = [] } = request;
  const executors = request.executors.map(({ stdin, stdout, stderr, workdir }) => ({
    image: '',
    command: [],
    ...(stdin !== undefined && { stdin }),
    ...(stdout !== undefined && { stdout }),
    ...(stderr !== undefined && { stderr }),
    ...(workdir !== undefined && { workdir }),
  }));
  return { inputs, outputs, volumes, executors };
}

/** Where the stager works: the plan of the job is there already when it lays the inputs. */
export function stagerLayout(directory: string): Layout {
  const layout = layoutOf(directory);
  return { ...layout, plan: `${layout.directory}/stager/handed-over` };
}
