import { promises as fs } from 'node:fs';
import { errorCode, isMissing } from '../shared/workspace-errors';
import type { ShellIdentity } from '../shared/job-progress';

/** The environment variable by which every process of a job is known, also one that left the session. */
export const JOB_VARIABLE = 'TES_GATEWAY_JOB';

const TOGETHER = 64;

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly name: string;
  readonly startTicks: string;
}

export interface JobProcess extends ProcessEntry {
  /** The job's name is in its own environment: the script or a command it called, not a process in a container. */
  readonly isOurs: boolean;
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
    const open = text.indexOf('(');
    const close = text.lastIndexOf(')');
    const fields = text.slice(close + 2).split(' ');
    // A zombie has ended; it only waits for its parent.
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, name: text.slice(open + 1, close), parentPid: Number(fields[1]), startTicks: fields[19] ?? '' };
  }

  /** True only if exactly this process lives: same pid, same start, same boot. */
  async isAlive(identity: ShellIdentity): Promise<boolean> {
    if (identity.bootId !== (await this.bootId())) return false;
    return (await this.entry(identity.pid))?.startTicks === identity.startTicks;
  }

  /** Every process that carries the job's name in its environment, and everything below those. */
  async membersOf(jobName: string): Promise<readonly JobProcess[]> {
    const ours = new Set<number>();
    const entries = await this.entries(async ({ pid }) => {
      const environment = await this.readOrNothing(`${pid}/environ`);
      if (environment?.split('\0').includes(`${JOB_VARIABLE}=${jobName}`)) ours.add(pid);
    });
    return withDescendants(entries, ours)
      .filter((entry) => entry.pid !== process.pid)
      .map((entry) => ({ ...entry, isOurs: ours.has(entry.pid) }));
  }

  /**
   * Podman's watchers (conmon) of the job's containers, and what they started. They carry no variable of ours. One that outlives its
   * container was left by a podman that was killed after it had started it and before it had written that down.
   */
  async watchersOf(jobName: string): Promise<readonly ProcessEntry[]> {
    const watchers = new Set<number>();
    const entries = await this.entries(async ({ pid, name }) => {
      if (name !== 'conmon') return;
      const argv = (await this.readOrNothing(`${pid}/cmdline`))?.split('\0') ?? [];
      if (argv[argv.indexOf('-n') + 1]?.startsWith(`${jobName}-`)) watchers.add(pid);
    });
    return watchers.size === 0 ? [] : withDescendants(entries, watchers);
  }

  /** Everything that lives, after `look` was asked about each. Several are looked at together: there may be thousands. */
  private async entries(look: (entry: ProcessEntry) => Promise<void>): Promise<readonly ProcessEntry[]> {
    const entries: ProcessEntry[] = [];
    const pids = (await fs.readdir(this.proc)).filter((name) => /^\d+$/.test(name)).map(Number);
    const one = async (pid: number): Promise<void> => {
      const entry = await this.entry(pid);
      if (!entry) return;
      await look(entry);
      entries.push(entry);
    };
    for (let from = 0; from < pids.length; from += TOGETHER) await Promise.all(pids.slice(from, from + TOGETHER).map(one));
    return entries;
  }

  /** Sends a signal to exactly this process, not to a later one with its number. */
  async signal(entry: ProcessEntry, name: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if ((await this.entry(entry.pid))?.startTicks !== entry.startTicks) return;
    try {
      process.kill(entry.pid, name);
    } catch {
      // Ended in between, or not ours to end: the next listing tells.
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

function withDescendants(entries: readonly ProcessEntry[], roots: ReadonlySet<number>): readonly ProcessEntry[] {
  const children = Map.groupBy(entries, (entry) => entry.parentPid);
  const found = entries.filter((entry) => roots.has(entry.pid));
  const marked = new Set(roots);
  // It grows while it is gone through.
  for (const { pid } of found) {
    for (const child of children.get(pid) ?? []) {
      if (marked.has(child.pid)) continue;
      marked.add(child.pid);
      found.push(child);
    }
  }
  return found;
}
