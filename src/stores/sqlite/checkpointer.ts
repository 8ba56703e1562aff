import { once } from 'node:events';
import { extname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';

/** Between two checkpoints while there are writes, ms. */
const INTERVAL_MS = 1000;
/** A log longer than this many pages (64 MiB) is finished off on the main thread, so that SQLite starts it again from the front. */
const LONG_LOG_PAGES = 16_384;
const CLOSE_LIMIT_MS = 5000;

type Outcome = { readonly log: number; readonly checkpointed: number } | { readonly failed: string };

/**
 * Keeps the write-ahead log short without ever making a request wait: a timer that only exists while there is something to do
 * asks a thread for a checkpoint. Under constant writes that thread never quite catches up; what little it leaves is then
 * done here, where nothing is written meanwhile.
 */
export class Checkpointer {
  private worker: Worker | undefined;
  private timer: NodeJS.Timeout | undefined;
  private busy = false;
  private dirty = false;
  private closed = false;

  constructor(
    private readonly db: DatabaseSync,
    private readonly path: string,
    private readonly onFailure: (message: string) => void,
  ) {}

  /** Something was committed. */
  wrote(): void {
    this.dirty = true;
    if (this.timer !== undefined || this.busy || this.closed) return;
    this.timer = setTimeout(() => this.start(), INTERVAL_MS);
    this.timer.unref();
  }

  /** No checkpoint is begun any more; resolves when the thread has let go of the file. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    const worker = this.worker;
    if (worker === undefined) return;
    this.worker = undefined;
    // Otherwise a process with nothing else to do would end before the thread has.
    worker.ref();
    const signal = AbortSignal.timeout(CLOSE_LIMIT_MS);
    try {
      const exit = once(worker, 'exit', { signal });
      worker.postMessage('close');
      await exit;
    } catch (error) {
      this.onFailure(`The checkpoint thread did not end by itself: ${String(error)}`);
      await worker.terminate();
    }
  }

  private start(): void {
    this.timer = undefined;
    this.dirty = false;
    this.busy = true;
    this.worker ??= this.spawn();
    this.worker.postMessage('checkpoint');
  }

  private spawn(): Worker {
    const worker = new Worker(join(__dirname, `checkpoint.worker${extname(__filename)}`), {
      workerData: { path: this.path },
      execArgv: ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    worker.unref();
    worker.on('message', (outcome: Outcome) => this.ended(outcome));
    worker.on('error', (error) => {
      this.worker = undefined;
      this.ended({ failed: String(error) });
    });
    return worker;
  }

  private ended(outcome: Outcome): void {
    this.busy = false;
    if (this.closed) return;
    if ('failed' in outcome) {
      this.onFailure(`A checkpoint of the task store failed and will be tried again: ${outcome.failed}`);
      this.dirty = true;
    } else if (outcome.log > LONG_LOG_PAGES) {
      this.finish();
    }
    if (this.dirty) this.wrote();
  }

  private finish(): void {
    try {
      this.db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch (error) {
      this.onFailure(`A checkpoint of the task store failed and will be tried again: ${String(error)}`);
    }
  }
}
