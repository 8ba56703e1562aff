import { setTimeout as pause } from 'node:timers/promises';
import type { JobCgroups } from './cgroups';
import type { ContainerEngine } from './container-engine';
import type { JobProcess, ProcessTable } from './process-table';

/** conmon is the one that reports a container's end. */
const REPORTER = 'conmon';
/**
 * Not asked to end: bwrap takes its tree with it at once; apptainer's own processes hand TERM on to the program, for which a second one
 * changes its exit code, and lose it, or end with a code of their own, where no program runs yet.
 */
const NOT_ASKED = new Set(['bwrap', 'starter', 'starter-suid', 'appinit', REPORTER]);
const SCRIPT_NAMES = new Set(['sh', 'sleep', 'cat']);
const LOOK_EVERY_MS = 50;
/** The script has this long to write down how an executor ended that was forced. */
const LAST_WORDS_MS = 2000;
/** A watcher that ends with its container needs a moment; one that is still there after so many looks was left behind. */
const LOOKS_FOR_WATCHERS = 20;

/**
 * Ends everything of a job and resolves only when two listings in a row, of processes and of containers, were empty.
 * The caller has left the cancel mark first, so that nothing new starts meanwhile.
 */
export class JobFence {
  constructor(
    private readonly processes: ProcessTable,
    private readonly cgroups: JobCgroups,
  ) {}

  async end(jobName: string, engines: readonly ContainerEngine[], graceSeconds: number, signal: AbortSignal): Promise<void> {
    if (graceSeconds > 0) {
      await this.ask(jobName, engines, graceSeconds, signal);
      await this.force(jobName, signal);
    }
    let looks = 0;
    for (let empty = 0; empty < 2;) {
      signal.throwIfAborted();
      const members = await this.members(jobName);
      for (const member of members) await this.processes.signal(member, 'SIGKILL');
      let containers = 0;
      for (const engine of engines) containers += await engine.removeJob(jobName, signal);
      const gone = members.length === 0 && containers === 0;
      const watchers = gone ? await this.processes.watchersOf(jobName) : [];
      if (watchers.length > 0 && (looks += 1) >= LOOKS_FOR_WATCHERS) {
        for (const watcher of watchers) await this.processes.signal(watcher, 'SIGKILL');
      }
      empty = gone && watchers.length === 0 ? empty + 1 : 0;
      if (empty < 2) await pause(empty === 0 ? LOOK_EVERY_MS : 10, undefined, { signal });
    }
  }

  /** Each program is asked once: a second TERM may change how it ends, and an engine's command hands on what it gets. */
  private async ask(jobName: string, engines: readonly ContainerEngine[], graceSeconds: number, signal: AbortSignal): Promise<void> {
    const until = performance.now() + graceSeconds * 1000;
    let stopped = false;
    for (const engine of engines) stopped = (await engine.stopJob(jobName, graceSeconds, signal)) || stopped;
    if (!stopped) {
      const programs = (await this.members(jobName)).filter((member) => !NOT_ASKED.has(member.name) && !isScript(member));
      for (const member of programs) await this.processes.signal(member, 'SIGTERM');
      // No program has begun: there is nobody to wait for.
      if (programs.length === 0) return;
    }
    while (performance.now() < until) {
      signal.throwIfAborted();
      if ((await this.members(jobName)).length === 0) return;
      await pause(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  /** Everything but the script, which sees that by itself and says what became of its executor. */
  private async force(jobName: string, signal: AbortSignal): Promise<void> {
    const until = performance.now() + LAST_WORDS_MS;
    while (performance.now() < until) {
      signal.throwIfAborted();
      const members = await this.members(jobName);
      if (members.length === 0) return;
      for (const member of members) if (member.name !== REPORTER && !isScript(member)) await this.processes.signal(member, 'SIGKILL');
      await pause(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  private async members(jobName: string): Promise<readonly JobProcess[]> {
    const found = new Map((await this.processes.membersOf(jobName)).map((entry) => [entry.pid, entry]));
    for (const pid of await this.cgroups.pids(jobName)) {
      const entry = found.has(pid) ? undefined : await this.processes.entry(pid);
      if (entry) found.set(pid, { ...entry, isOurs: false });
    }
    return [...found.values()];
  }
}

/** The script itself, with its watch of the time and the readers of streams, is left to see the mark and to write down how its executor ended. */
function isScript(entry: JobProcess): boolean {
  return entry.isOurs && SCRIPT_NAMES.has(entry.name);
}
