import { promises as fs } from 'node:fs';
import { errorCode, isMissing } from '../shared/workspace-errors';
import type { ShellIdentity } from '../shared/job-progress';

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly startTicks: string;
}

/** What /proc says. Linux alone; a process that ends while it is looked at is simply not there. */
export class ProcessTable {
  constructor(private readonly proc = '/proc') {}

  async bootId(): Promise<string> {
    return (await fs.readFile(`${this.proc}/sys/kernel/random/boot_id`, 'utf8')).trim();
  }

  /** Seconds since the machine's start. */
  async uptimeSeconds(): Promise<number> {
    return Number((await fs.readFile(`${this.proc}/uptime`, 'utf8')).split(' ')[0]);
  }

  async entry(pid: number): Promise<ProcessEntry | undefined> {
    const text = await this.readOrNothing(`${pid}/stat`);
    if (text === undefined) return undefined;
    // Before them the program's name, which may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; it only waits for its parent.
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, parentPid: Number(fields[1]), startTicks: fields[19] ?? '' };
  }

  /** True only if exactly this process lives: same pid, same start, same boot. */
  async isAlive(identity: ShellIdentity): Promise<boolean> {
    if (identity.bootId !== (await this.bootId())) return false;
    return (await this.entry(identity.pid))?.startTicks === identity.startTicks;
  }

  kill({ pid }: ProcessEntry): void {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Ended in between, or not ours to end.
    }
  }

  private async readOrNothing(name: string): Promise<string | undefined> {
    try {
      return await fs.readFile(`${this.proc}/${name}`, 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      const code = errorCode(error);
      if (code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined;
      throw error;
    }
  }
}
