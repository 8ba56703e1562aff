import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';

interface Answer {
  readonly id: number;
  readonly failed?: string;
  readonly code?: string;
}

interface Open {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One thread of `local.worker.ts`, begun with its first order or before; if it dies, its orders fail and the next one begins another. */
export class LocalThread {
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Open>();
  private nextId = 1;

  /** Begins the thread while there is still room for one. */
  open(): void {
    this.worker ??= this.begin();
  }

  /** Removes a tree; rejects with the file system's code. */
  remove(path: string): Promise<void> {
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.open();
      this.worker?.postMessage({ id, remove: path });
    });
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private begin(): Worker {
    const worker = new Worker(join(__dirname, `local.worker${extname(__filename)}`), {
      execArgv: ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    worker.on('message', (answer: Answer) => this.heard(answer));
    worker.on('error', (error: Error) => this.lost(worker, error));
    worker.on('exit', () => this.lost(worker, new Error('the thread has ended')));
    // Last: a listener takes hold of the process again.
    worker.unref();
    return worker;
  }

  private heard({ id, failed, code }: Answer): void {
    const open = this.waiting.get(id);
    if (open === undefined) return;
    this.waiting.delete(id);
    if (failed === undefined) open.resolve();
    else open.reject(Object.assign(new Error(failed), code === undefined ? {} : { code }));
  }

  private lost(worker: Worker, error: Error): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}
