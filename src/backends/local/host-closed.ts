import { promises as fs } from 'node:fs';
import { dirname } from 'node:path';
import { isMissing } from '../shared/workspace-errors';

/** A file that comes to the machine's directories is hidden from jobs that start so much later, ms. */
const LOOK_AGAIN_MS = 10 * 60_000;
/** So far ahead of the clock a file's time may be that was written just now: it is finer, and a file server has a clock of its own. */
const FINER_MS = 1000;

/**
 * Keeps the list of what others may not read of this machine's directories (`list_closed` in closed.sh), which root must not see under
 * bubblewrap either. Looking through them takes seconds, on a machine that has just been started many: the start never waits for it, and of jobs only
 * the first, where no gateway has run here a moment ago.
 */
export class HostClosed {
  private lookedAt = -Infinity;
  private isThere = false;
  private look: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly list: () => Promise<string>,
    private readonly failed: (error: unknown) => void,
    private readonly monotonicNow = (): number => performance.now(),
  ) {}

  /** Where the list is; rejects when there was never one. */
  async current(): Promise<string> {
    if (this.look === undefined && this.monotonicNow() - this.lookedAt >= LOOK_AGAIN_MS) {
      this.look = this.make().finally(() => (this.look = undefined));
      // Said here once, and to whoever waits for the first.
      this.look.catch((error: unknown) => this.failed(error));
    }
    // It may be over before that is known.
    const { look } = this;
    if (!this.isThere && !(await this.isRecent())) await look;
    return this.path;
  }

  /** What this gateway listed before it was started again is as good as what it lists now. */
  private async isRecent(): Promise<boolean> {
    try {
      const ageMs = Date.now() - (await fs.stat(this.path)).mtimeMs;
      return ageMs > -FINER_MS && ageMs < LOOK_AGAIN_MS;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Written aside and renamed: jobs that start read it. */
  private async make(): Promise<void> {
    const text = await this.list();
    await fs.mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    await fs.writeFile(`${this.path}.new`, text, { mode: 0o600 });
    await fs.rename(`${this.path}.new`, this.path);
    this.isThere = true;
    this.lookedAt = this.monotonicNow();
  }
}
