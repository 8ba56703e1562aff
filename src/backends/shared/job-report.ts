import type { JobPhase, Observation } from '../../task/observation';
import type { ExecutorRecord, LogTail } from '../../task/task-record';
import type { JobFacts } from './job-facts';
import { breachesOf, brokenDetail, MOST_DETAIL_BYTES, systemErrorOf } from './job-faults';
import type { Ending, JobProgress } from './job-progress';
import { streamName } from './layout';

/** How a script's own last word reads as a phase. `cancelled`: nothing more was started; the fence says the rest. */
export const ENDING_PHASES: Readonly<Record<Ending, JobPhase>> = {
  succeeded: 'succeeded',
  failed: 'failed',
  timeout: 'failed',
  prepare: 'failed',
  broken: 'failed',
  cancelled: 'lost',
};

/** What a script has told of itself so far, however that reaches the gateway. */
export interface JobAccount {
  readonly jobName: string;
  readonly progress: JobProgress;
  /** Milliseconds since the epoch when the machine's uptime was 0. */
  readonly bootedAt: number;
  /** Where the workspace lies: no client sees it. */
  readonly directory: string;
  /** The last bytes of a stream by its name in the workspace (`streams/0.stdout`); `undefined` when there is none. */
  readonly tailOf: (stream: string, bytes: number) => Promise<LogTail | undefined>;
}

/** A job whose script lives. */
export async function underwayObservation(account: JobAccount, tailBytes: number): Promise<Observation> {
  const { jobName, progress } = account;
  const running = await runningPart(account, tailBytes);
  return {
    jobName,
    phase: progress.executors.length === 0 ? 'pending' : 'running',
    executors: await executorRecords(account, tailBytes),
    ...(running && { running }),
    systemLogs: [],
  };
}

/** A job whose script has said how it ended. */
export async function finishedObservation(account: JobAccount, facts: JobFacts, tailBytes: number): Promise<Observation> {
  const { jobName, progress, directory, tailOf } = account;
  const detail = await brokenDetail(progress, directory, async (stream) => (await tailOf(stream, MOST_DETAIL_BYTES))?.text);
  const systemError = systemErrorOf(progress, facts, detail);
  return {
    jobName,
    phase: progress.ending ? ENDING_PHASES[progress.ending] : 'lost',
    executors: await executorRecords(account, tailBytes),
    systemLogs: [...facts.systemLogs, ...hintsOf(progress, facts), ...breachesOf(progress, facts)],
    ...(systemError && { systemError }),
  };
}

/** A job of which nothing is left, and whose script did not say how it ended. */
export async function lostObservation(account: JobAccount, tailBytes: number, where: 'machine' | 'worker'): Promise<Observation> {
  return {
    jobName: account.jobName,
    phase: 'lost',
    executors: await executorRecords(account, tailBytes),
    systemLogs: [`the job was gone without a result: its process had been killed, or the ${where} was restarted`],
  };
}

/** The executors that have ended, with their tails. */
export async function executorRecords(account: JobAccount, tailBytes: number): Promise<readonly ExecutorRecord[]> {
  const records: ExecutorRecord[] = [];
  for (const [index, executor] of account.progress.executors.entries()) {
    if (executor?.exitCode === undefined || executor.endedUp === undefined) break;
    records.push({
      exitCode: executor.exitCode,
      startedAt: atEpoch(executor.startedUp, account),
      endedAt: atEpoch(executor.endedUp, account),
      ...(await tails(index, account, tailBytes)),
    });
  }
  return records;
}

async function runningPart(account: JobAccount, tailBytes: number): Promise<Observation['running']> {
  const { executors } = account.progress;
  const index = executors.length - 1;
  if (index < 0 || executors[index]?.exitCode !== undefined) return undefined;
  return { index, ...(await tails(index, account, tailBytes)) };
}

async function tails(
  index: number,
  { tailOf, progress: { notes } }: JobAccount,
  tailBytes: number,
): Promise<Pick<ExecutorRecord, 'stdout' | 'stderr'>> {
  const tail = async (stream: 'stdout' | 'stderr'): Promise<LogTail | undefined> => {
    const name = streamName(index, stream);
    const found = await tailOf(name, tailBytes);
    const isUnplaced = notes.some((note) => note.word === 'unplaced' && note.text === name);
    return found && isUnplaced ? { ...found, unplaced: true } : found;
  };
  const [stdout, stderr] = [await tail('stdout'), await tail('stderr')];
  return { ...(stdout && { stdout }), ...(stderr && { stderr }) };
}

function atEpoch(upSeconds: number, { bootedAt }: JobAccount): number {
  return Math.round(bootedAt + upSeconds * 1000);
}

/** Lines for `system_logs` that tell a user what came of their own request. */
export function hintsOf(progress: JobProgress, facts: JobFacts): readonly string[] {
  return [...unplacedStreams(progress, facts), ...unusedEntrypoints(progress, facts)];
}

/** Some clients leave the program to the image. */
function unusedEntrypoints({ notes }: JobProgress, facts: JobFacts): readonly string[] {
  return notes
    .filter((note) => note.word === 'entrypoint')
    .map(({ text }) => {
      const [index = '', ...entrypoint] = text.split(' ');
      const image = facts.executors[Number(index)]?.image ?? '';
      return `executor ${index} ended with 127, as when a program is missing: command names the program itself, the ENTRYPOINT of ${image}, ${entrypoint.join(' ')}, is not used`;
    });
}

/** Streams that could not be put where the executor wanted them. */
function unplacedStreams(progress: JobProgress, facts: JobFacts): readonly string[] {
  return progress.notes
    .filter((note) => note.word === 'unplaced')
    .map((note) => {
      const match = /^streams\/(\d+)\.(stdout|stderr)$/.exec(note.text);
      const stream = match?.[2] === 'stderr' ? 'stderr' : 'stdout';
      const path = facts.executors[Number(match?.[1])]?.[stream] ?? '';
      return `${stream} of executor ${match?.[1] ?? ''} could not be written to ${path}: the way there is a link or not a directory`;
    });
}
