import { TooManyRequests } from '../ports/errors';
import type { Principal } from '../ports/authenticator';
import type { BackendRegistry } from '../ports/registries';
import type { TaskRecords } from '../ports/store/task-records';
import { within } from '../ports/within';
import { jobName, type TaskRecord } from '../task/task-record';
import { isTerminal } from '../task/task-state';
import type { TaskChanges } from './task-changes';
import { noSuchExecutor, type TaskService } from './task.service';

export interface LogRequest {
  /** Index into `executors`, from 0. */
  readonly executor: number;
  readonly stream: 'stdout' | 'stderr';
  /** Bytes from the start of the stream. */
  readonly offset: number;
  /** Go on until the executor has ended. */
  readonly follow: boolean;
}

export interface LogReaderSettings {
  /** Pause between two looks at a log that is being followed, ms; a change of the task ends it. */
  readonly pollMs: number;
  /** Logs followed at once; one more is refused. */
  readonly mostFollowers: number;
}

const CHUNK_BYTES = 64 * 1024;
/** One look at a backend, ms. */
const LOOK_MS = 30_000;

/** Reads an executor's output while it is being made, and after: from the backend while it has it, then from the record's tail. */
export class LogReader {
  private followers = 0;
  /** Who waits for a change of a task: one listener for all of them. */
  private readonly waiting = new Map<string, Set<() => void>>();

  constructor(
    private readonly tasks: TaskService,
    private readonly store: TaskRecords,
    private readonly backends: BackendRegistry,
    changes: TaskChanges,
    private readonly settings: LogReaderSettings,
  ) {
    changes.listen(({ after }) => {
      for (const wake of this.waiting.get(after.id) ?? []) wake();
    });
  }

  /**
   * Checks first, so that the caller can still answer 404, 400 or 429. Throws TaskNotFound, InvalidRequest (no such executor),
   * TooManyRequests (as many logs are followed as there may be).
   */
  async open(principal: Principal, id: string, request: LogRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const task = await this.tasks.owned(principal, id);
    if (request.executor >= task.needs.executorCount) throw noSuchExecutor(request.executor, task.needs.executorCount);
    if (!request.follow || isTerminal(task.state)) return this.chunks(task, request, signal);
    const { mostFollowers } = this.settings;
    if (this.followers >= mostFollowers) {
      throw new TooManyRequests(`${mostFollowers} logs are being followed already (setting logs.followers)`, { retryAfterSeconds: 10 });
    }
    return this.following(this.chunks(task, request, signal), signal);
  }

  /** Counted from now on, whether or not anybody begins to read, until it ends or its reader has gone. */
  private following(chunks: AsyncGenerator<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.followers += 1;
    let isCounted = true;
    const ended = (): void => {
      if (isCounted) this.followers -= 1;
      isCounted = false;
    };
    if (signal.aborted) ended();
    signal.addEventListener('abort', ended, { once: true });
    return (async function* () {
      try {
        yield* chunks;
      } finally {
        ended();
      }
    })();
  }

  private async *chunks(first: TaskRecord, request: LogRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let task: TaskRecord | undefined = first;
    let { offset } = request;
    const { attempt } = first;
    while (task && !signal.aborted) {
      const chunk = await this.fromBackend(task, request, offset, signal);
      if (chunk && chunk.bytes.length > 0) {
        offset += chunk.bytes.length;
        yield chunk.bytes;
        continue;
      }
      if (chunk?.ended) return;
      if (!chunk && (isTerminal(task.state) || task.attempts.at(-1)?.executors[request.executor])) {
        yield* this.kept(task, request, offset);
        return;
      }
      if (!request.follow || isTerminal(task.state) || (attempt > 0 && task.attempt !== attempt)) return;
      await this.change(task.id, signal);
      task = await this.store.getTask(task.id);
    }
  }

  private async fromBackend(
    task: TaskRecord,
    request: LogRequest,
    offset: number,
    signal: AbortSignal,
  ): Promise<{ bytes: Uint8Array; ended: boolean } | undefined> {
    const backend = this.backends.get(task.backend ?? '');
    if (!backend?.readLog || !task.handle || task.jobAttempt !== undefined) return undefined;
    const { handle } = task;
    return within(signal, LOOK_MS, async (limited) =>
      backend.readLog?.(jobName(task.id, task.attempt), handle, request.executor, request.stream, offset, CHUNK_BYTES, limited),
    );
  }

  /** What the record kept: the last bytes. An offset before them is answered from where they begin. */
  private *kept(task: TaskRecord, request: LogRequest, offset: number): Generator<Uint8Array> {
    const tail = task.attempts.at(-1)?.executors[request.executor]?.[request.stream];
    if (!tail) return;
    const bytes = Buffer.from(tail.text, 'utf8');
    const begins = Math.max(0, tail.totalBytes - bytes.length);
    const rest = bytes.subarray(Math.min(bytes.length, Math.max(0, offset - begins)));
    if (rest.length > 0) yield rest;
  }

  /** Waits for a change of the task, at most one poll. */
  private change(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.waiting.get(id) ?? new Set();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        waiters.delete(done);
        if (waiters.size === 0) this.waiting.delete(id);
        resolve();
      };
      const timer = setTimeout(done, this.settings.pollMs);
      this.waiting.set(id, waiters.add(done));
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
