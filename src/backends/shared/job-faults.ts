import type { Observation } from '../../task/observation';
import type { JobFacts } from './job-facts';
import type { JobProgress } from './job-progress';

const FULL_DISK = 'the disk of the workspaces is full';

/** Words that the script writes about itself or its runtime, as sentences for `system_logs`, and whether another attempt may help. */
const FAULTS: Readonly<Record<string, { readonly retryable: boolean; sentence(facts: JobFacts, executor: number): string }>> = {
  stdin: {
    retryable: false,
    sentence: (facts, executor) =>
      `stdin of executor ${executor} cannot be read: ${facts.executors[executor]?.stdin ?? ''} is not a regular file, or lies behind a link`,
  },
  workdir: {
    retryable: false,
    sentence: (facts, executor) =>
      `the workdir ${facts.executors[executor]?.workdir ?? ''} of executor ${executor} cannot be made: a link or a file is in its place`,
  },
  input: { retryable: true, sentence: () => 'the inputs arrived damaged' },
  noimage: {
    retryable: false,
    sentence: (facts, executor) => `the image ${facts.executors[executor]?.image ?? ''} cannot be had`,
  },
  pull: {
    retryable: true,
    sentence: (facts, executor) => `fetching the image ${facts.executors[executor]?.image ?? ''} failed`,
  },
  disk: { retryable: true, sentence: () => FULL_DISK },
  engine: { retryable: true, sentence: (facts) => `${facts.runtime} did not answer` },
  copy: {
    retryable: true,
    sentence: (facts, executor) => `${facts.runtime} could not copy files for executor ${executor}`,
  },
};

/** Why a job failed through no fault of an executor; `undefined` when an executor's own exit is the reason. */
export function systemErrorOf(
  progress: JobProgress,
  facts: JobFacts,
  timedOut: boolean,
  detail: string | undefined,
): Observation['systemError'] {
  const suffix = detail === undefined ? '' : `: ${detail}`;
  switch (progress.ending) {
    case 'prepare': {
      if (timedOut) {
        return { message: `the time limit of ${facts.maxRuntimeSeconds} s passed before the executor could start`, retryable: false };
      }
      const note = progress.notes.findLast((candidate) => candidate.word in FAULTS);
      const fault = note && FAULTS[note.word];
      if (!note || !fault) return { message: `an executor could not be prepared${suffix}`, retryable: true };
      return {
        message: `${fault.sentence(facts, Number(note.text.split(' ')[0]))}${suffix}`,
        retryable: fault.retryable && !(note.word === 'pull' && isUnknownImage(detail)),
      };
    }
    case 'broken':
      if (progress.notes.some((note) => note.word === 'unwatched')) {
        // Whatever the streams hold then is the program's own.
        return {
          message: `${facts.runtime} cannot tell how an executor ended: the watcher of its container was gone before it`,
          retryable: true,
        };
      }
      return { message: `${facts.runtime} could not start an executor${suffix}`, retryable: true };
    case 'succeeded':
    case 'failed':
    case 'timeout':
    case 'cancelled':
    case undefined:
      return undefined;
    default: {
      const never: never = progress.ending;
      return never;
    }
  }
}

/** The engines say only in words why a pull failed; these are the ones by which registries refuse for good (401, 403, 404). */
const REFUSALS =
  /not found|manifest unknown|name unknown|does not exist|denied|unauthorized|authentication required|invalid reference|no such image/i;

export function isUnknownImage(detail: string | undefined): boolean {
  return detail !== undefined && REFUSALS.test(detail);
}

export interface Breaches {
  readonly memoryKills: number;
  readonly processRefusals: number;
  readonly timedOut: boolean;
}

/** Limits that were reached, each named with its value. */
export function breachesOf(progress: JobProgress, facts: JobFacts, events: Breaches): readonly string[] {
  const lines: string[] = [];
  const engineSawMemory = progress.notes.some((note) => note.word === 'oom');
  if (events.memoryKills > 0 || engineSawMemory) lines.push(`memory limit ${Math.round(facts.memoryBytes / 2 ** 20)} MB reached`);
  if (events.processRefusals > 0) lines.push(`limit of ${facts.pids} processes reached`);
  if (progress.ending !== 'prepare' && progress.notes.some((note) => note.word === 'disk')) lines.push(FULL_DISK);
  if (events.timedOut) lines.push(`time limit of ${facts.maxRuntimeSeconds} s reached`);
  return lines;
}

/** As much of a stream as its last line needs. */
export const MOST_DETAIL_BYTES = 4096;

/**
 * The runtime's own last words on an executor it could not start; never the host's paths. `read` gives the end of a stream by its
 * name (`streams/0.engine`), `directory` is where the workspace lies.
 */
export async function brokenDetail(
  progress: JobProgress,
  directory: string,
  read: (stream: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  const note = progress.notes.findLast((candidate) => /^\d/.test(candidate.text));
  if (progress.ending !== 'broken' && progress.ending !== 'prepare') return undefined;
  const index = Number(note?.text.split(' ')[0] ?? 0);
  for (const stream of ['engine', 'stderr']) {
    const line = (await read(`streams/${index}.${stream}`))?.trim().split('\n').at(-1);
    if (line) return line.replaceAll(directory, '(workspace)').slice(0, 500);
  }
  return undefined;
}
