import { promises as fs } from 'node:fs';
import type { EngineLog } from '../engine/engine-log';
import type { CheckAnswer } from './readiness';

export interface AppendedFileLimits {
  /** What is kept while the file cannot be written, bytes; what comes then is left out. */
  readonly waitingBytes: number;
  /** Between two tries at a file that cannot be written, ms. */
  readonly retryMs: number;
}

const LIMITS: AppendedFileLimits = { waitingBytes: 8 * 2 ** 20, retryMs: 1000 };
/** A write that lasts longer is trouble, ms. */
const SLOW_MS = 10_000;
/** What waits is written by then at a stop, or not at all, ms. */
const LAST_MS = 2000;

/** Lines at the end of a file, whole and in order. Others may move it away: `reopen` begins a new one under its name. */
export class AppendedFile {
  private waiting: string[] = [];
  private waitingBytes = 0;
  private batch = Buffer.alloc(0);
  private written = 0;
  private moved = false;
  private pumping: Promise<void> | undefined;
  private writeBegan: number | undefined;
  private trouble: string | undefined;
  private isFull = false;
  private retry: NodeJS.Timeout | undefined;

  private constructor(
    private readonly path: string,
    private file: fs.FileHandle,
    private readonly log: EngineLog,
    private readonly limits: AppendedFileLimits,
    private readonly now: () => number,
  ) {}

  /** Rejects with the file system's error when it cannot be opened. */
  static async open(path: string, log: EngineLog, limits = LIMITS, now = () => performance.now()): Promise<AppendedFile> {
    const opened = new AppendedFile(path, await openToAppend(path), log, limits, now);
    await opened.beginLine();
    return opened;
  }

  /** `line` without its end. False: there is no room for it any more, and it is left out. */
  append(line: string): boolean {
    const text = `${line}\n`;
    const bytes = Buffer.byteLength(text);
    if (this.waitingBytes + this.batch.length - this.written + bytes > this.limits.waitingBytes) {
      if (!this.isFull)
        this.log.error('the audit log leaves entries out: its file is not written, and no more are kept', { file: this.path });
      this.isFull = true;
      return false;
    }
    this.waiting.push(text);
    this.waitingBytes += bytes;
    this.pump();
    return true;
  }

  /** What comes from now on goes to the file that has the name now. */
  reopen(): void {
    this.moved = true;
    clearTimeout(this.retry);
    this.retry = undefined;
    this.pump();
  }

  health(): CheckAnswer {
    const since = this.writeBegan === undefined ? 0 : this.now() - this.writeBegan;
    const slow = since > SLOW_MS ? `a write has been going on for ${Math.round(since / 1000)} s` : undefined;
    const detail = this.trouble ?? slow;
    const lost = this.isFull ? ', and entries are left out' : '';
    return detail === undefined ? { ok: true, detail: 'written' } : { ok: false, detail: `the file is not written: ${detail}${lost}` };
  }

  /** Writes what waits, unless it takes too long. */
  async close(): Promise<void> {
    clearTimeout(this.retry);
    this.retry = undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, LAST_MS)));
    this.pump();
    await Promise.race([this.pumping, late]);
    clearTimeout(timer);
    clearTimeout(this.retry);
    if (this.writeBegan === undefined) await this.file.close();
  }

  private pump(): void {
    if (this.hasWork() && this.retry === undefined) this.pumping ??= this.writeAll();
  }

  private hasWork(): boolean {
    return this.moved || this.written < this.batch.length || this.waiting.length > 0;
  }

  private async writeAll(): Promise<void> {
    try {
      while (this.hasWork()) {
        this.writeBegan = this.now();
        if (this.moved) await this.openAnew();
        if (this.written === this.batch.length) this.takeBatch();
        const { bytesWritten } = await this.file.write(this.batch, this.written);
        this.written += bytesWritten;
      }
      // Nothing is waited for since the last look: what comes now begins anew.
      this.pumping = undefined;
      this.wentWell();
    } catch (error) {
      this.pumping = undefined;
      this.wentWrong(error as Error);
    }
  }

  private takeBatch(): void {
    this.batch = Buffer.from(this.waiting.join(''));
    this.waiting = [];
    this.waitingBytes = 0;
    this.written = 0;
  }

  private async openAnew(): Promise<void> {
    const old = this.file;
    this.file = await openToAppend(this.path);
    this.moved = false;
    await old.close();
    // A line that was cut stands in the new file as a whole.
    this.written = this.batch.subarray(0, this.written).lastIndexOf('\n') + 1;
    await this.beginLine();
    this.log.info('the audit log goes on in a new file', { file: this.path });
  }

  /** Ends a line that a crash, or a full disk, has cut. */
  private async beginLine(): Promise<void> {
    const { size } = await this.file.stat();
    if (size === 0) return;
    const { buffer, bytesRead } = await this.file.read(Buffer.alloc(1), 0, 1, size - 1);
    if (bytesRead === 1 && buffer[0] !== 0x0a) await this.file.write('\n');
  }

  private wentWell(): void {
    this.writeBegan = undefined;
    if (this.trouble !== undefined || this.isFull) this.log.warn('the audit log is written again', { file: this.path });
    this.trouble = undefined;
    this.isFull = false;
  }

  private wentWrong({ message }: Error): void {
    this.writeBegan = undefined;
    if (message !== this.trouble)
      this.log.error(`the audit log cannot be written: entries are kept in memory, at most ${this.limits.waitingBytes} bytes`, {
        file: this.path,
        reason: message,
      });
    this.trouble = message;
    this.retry = setTimeout(() => {
      this.retry = undefined;
      this.pump();
    }, this.limits.retryMs);
    this.retry.unref();
  }
}

function openToAppend(path: string): Promise<fs.FileHandle> {
  return fs.open(path, 'a+', 0o640);
}
