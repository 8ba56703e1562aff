import { readTextOrNothing } from '../shared/small-files';
import { part } from '../shared/job-script';
import { parseStarted } from '../shared/job-progress';
import type { Layout } from '../shared/layout';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { runtimeOf } from '../shared/runtimes/runtimes';
import { assignment } from '../shared/shell-quote';
import { endingFault } from '../shared/script/script-observer';
import type { LocalClient } from './local.client';
import type { ProcessTable } from './process-table';

/** Beyond the grace. A container with much in it takes its engine a while to remove. */
const END_MS = 300_000;

/**
 * Ends everything of a job, by the scripts that do so on every machine (ending.sh, absence.sh): a process for each job that is ended before
 * its time, or that nobody knows to have ended. The caller has left the cancel mark first where something could start meanwhile.
 */
export class JobEnding {
  private readonly script = ['processes.sh', 'ending.sh', 'script/absence.sh'].map(part).join('\n');

  constructor(
    private readonly client: Pick<LocalClient, 'command'>,
    private readonly processes: ProcessTable,
  ) {}

  /**
   * Resolves only when two listings in a row, of processes and of containers, were empty; the last is of all processes of the machine. With a
   * grace, the job is asked first.
   */
  async end(
    jobName: string,
    layout: Layout,
    runtime: RuntimeName | undefined,
    graceSeconds: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const engine = runtime === undefined ? undefined : runtimeOf(runtime)?.engine;
    const settings = [
      assignment('ENGINE', engine === undefined ? '' : (runtime ?? '')),
      assignment('WATCHER', engine?.watcher ?? ''),
      assignment('GRACE', Math.ceil(graceSeconds ?? 0)),
    ];
    const ask = graceSeconds === undefined ? '' : 'ask_job "$1" "$2"\n';
    const text = `set -uf\n${settings.join('\n')}\n${this.script}\n${ask}end_job "$1" 2 && echo ended`;
    const argv = ['/bin/sh', '-c', text, 'sh', jobName, layout.directory];
    const answer = await this.client
      .command(argv, (graceSeconds ?? 0) * 1000 + END_MS, signal)
      .catch((error: unknown) => ({ stdout: '', stderr: String(error) }));
    if (answer.stdout.trim() === 'ended') return;
    signal.throwIfAborted();
    await this.endLaunched(layout);
    throw endingFault('machine', answer.stderr.slice(0, 500));
  }

  /**
   * Where the job has left the machine no process to be started: with the runtime's own process goes what runs in its container, and the next
   * try finds room. As `kill_launched` of the job script.
   */
  private async endLaunched({ started, launched }: Layout): Promise<void> {
    const script = parseStarted(readTextOrNothing(started) ?? '');
    const process = await this.processes.entry(Number(readTextOrNothing(launched) ?? NaN));
    if (script && process?.parentPid === script.pid && (await this.processes.isAlive(script))) this.processes.kill(process);
  }
}
