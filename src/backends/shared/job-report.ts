import type { JobPhase, Observation } from '../../task/observation';
import type { ExecutorRecord, LogTail } from '../../task/task-record';
import type { JobFacts } from './job-facts';
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

export interface ReportContext {
  readonly jobName: string;
  /** Milliseconds since the epoch when the machine's uptime was 0. */
  readonly bootedAt: number;
  /** The end of a stream by its name in the workspace (`streams/0.stdout`); `undefined` when there is none. */
  readonly tailOf: (stream: string) => Promise<LogTail | undefined>;
}

/** The executors that have ended, with their tails. */
export async function executorRecords(progress: JobProgress, context: ReportContext): Promise<readonly ExecutorRecord[]> {
  const records: ExecutorRecord[] = [];
  for (const [index, executor] of progress.executors.entries()) {
    if (executor?.exitCode === undefined || executor.endedUp === undefined) break;
    records.push({
      exitCode: executor.exitCode,
      startedAt: atEpoch(executor.startedUp, context),
      endedAt: atEpoch(executor.endedUp, context),
      ...(await tails(index, context, progress)),
    });
  }
  return records;
}

export async function runningPart(progress: JobProgress, context: ReportContext): Promise<Observation['running']> {
  const index = progress.executors.length - 1;
  if (index < 0 || progress.executors[index]?.exitCode !== undefined) return undefined;
  return { index, ...(await tails(index, context, progress)) };
}

async function tails(index: number, context: ReportContext, { notes }: JobProgress): Promise<Pick<ExecutorRecord, 'stdout' | 'stderr'>> {
  const tail = async (stream: 'stdout' | 'stderr'): Promise<LogTail | undefined> => {
    const name = streamName(index, stream);
    const found = await context.tailOf(name);
    const isUnplaced = notes.some((note) => note.word === 'unplaced' && note.text === name);
    return found && isUnplaced ? { ...found, unplaced: true } : found;
  };
  const [stdout, stderr] = [await tail('stdout'), await tail('stderr')];
  return { ...(stdout && { stdout }), ...(stderr && { stderr }) };
}

function atEpoch(upSeconds: number, context: ReportContext): number {
  return Math.round(context.bootedAt + upSeconds * 1000);
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
