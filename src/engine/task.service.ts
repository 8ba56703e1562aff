import type { Principal } from '../ports/authenticator';
import type { TesState, TesTaskRequest, TesView } from '../task/tes';

export interface CreateOptions {
  /** The `Idempotency-Key` header. */
  readonly idempotencyKey?: string;
  /** The base path the request came in on (`/v1`, `/ga4gh/tes/v1`): an identical body arriving on another one while the first is being stored is one task. */
  readonly basePath: string;
}

export interface ListRequest {
  readonly view: TesView;
  readonly state?: TesState;
  readonly namePrefix?: string;
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
  /** 1..2047. */
  readonly pageSize: number;
  readonly pageToken?: string;
}

export interface LogRequest {
  readonly executor: number;
  readonly stream: 'stdout' | 'stderr';
  readonly offset: number;
  readonly follow: boolean;
}

/** What `/ext/v1/tasks/{id}` answers beside TES: where the engine is with a task, and why it waits. */
export interface TaskExplanation {
  readonly id: string;
  readonly state: TesState;
  readonly step: string;
  readonly attempt: number;
  readonly backend?: string;
  readonly waiting?: string;
  readonly due_at?: string;
  readonly trouble?: { readonly count: number; readonly reason: string };
}

/** The use cases of the API. Permission filters are made here, from the principal. */
export declare class TaskServiceContract {
  /** Resolves when the task is durable. Throws InvalidTask, Conflict, Unavailable (stopping, queue full), InsufficientStorage. */
  create(principal: Principal, request: TesTaskRequest, options: CreateOptions): Promise<string>;
  /** The view as JSON text, ready to send. Throws TaskNotFound. */
  get(principal: Principal, id: string, view: TesView): Promise<string>;
  /** tesListTasksResponse as JSON text. Throws InvalidRequest for a page token that is not ours. */
  list(principal: Principal, request: ListRequest): Promise<string>;
  /** Idempotent; a no-op on a terminal task. Throws TaskNotFound. */
  cancel(principal: Principal, id: string): Promise<void>;
  explain(principal: Principal, id: string): Promise<TaskExplanation>;
  /** Bytes of an executor's stream from `offset`; with `follow` until it ends. Throws TaskNotFound, InvalidRequest (no such executor). */
  readLog(principal: Principal, id: string, request: LogRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
