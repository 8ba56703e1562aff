import type { Observation } from '../../task/observation';
import type { JobFacts } from './job-facts';
import type { JobProgress } from './job-progress';

const FULL_DISK =
  'the disk of the workspaces is full: make room where work_dir of the gateway lies, or on a worker its staging directory, or have it on a larger disk';

/** Words that the script writes about itself or its runtime, as sentences for `system_logs`, and whether another attempt may help. */
const FAULTS: Readonly<Record<string, { readonly retryable: boolean; sentence(facts: JobFacts, executor: number): string }>> = {
  stdin: {
    retryable: false,
    sentence: (facts, executor) =>
      `stdin of executor ${executor} cannot be read: ${facts.executors[executor]?.stdin ?? ''} neither is nor leads to a regular file of the task`,
  },
  workdir: {
    retryable: false,
    sentence: (facts, executor) =>
      `the workdir ${facts.executors[executor]?.workdir ?? ''} of executor ${executor} cannot be made: a link or a file is in its place`,
  },
  closed: {
    retryable: false,
    sentence: () => 'a volume, or another directory of the task, lies in a directory of the machine that only root may read',
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
  files: { retryable: true, sentence: (_facts, executor) => `files of executor ${executor} could not be moved in the workspace` },
  stream: { retryable: true, sentence: (_facts, executor) => `not all that executor ${executor} wrote to its streams could be kept` },
  lingering: { retryable: true, sentence: (_facts, executor) => `processes of executor ${executor} could not be ended` },
  place: { retryable: true, sentence: (_facts, executor) => `a stream of executor ${executor} could not be written to its path` },
  late: {
    retryable: true,
    sentence: (_facts, executor) =>
      `fetching the image, creating the container or copying files for executor ${executor} took too long and was ended`,
  },
  create: { retryable: true, sentence: (facts, executor) => `${facts.runtime} could not create the container of executor ${executor}` },
  start: { retryable: true, sentence: (facts, executor) => `${facts.runtime} could not start executor ${executor}` },
  client: {
    retryable: true,
    sentence: (facts, executor) =>
      `the ${facts.runtime} command of executor ${executor} failed or was killed before its container ended, so that its output may be cut short`,
  },
  outside: {
    retryable: true,
    sentence: (facts, executor) =>
      `the container of executor ${executor} was killed from outside: by ${facts.runtime}, which was stopped, or by somebody through it`,
  },
  // Whatever the streams hold then is the program's own.
  unwatched: {
    retryable: true,
    sentence: (facts) => `${facts.runtime} cannot tell how an executor ended: the watcher of its container was gone before it`,
  },
  engine: { retryable: true, sentence: (facts) => `${facts.runtime} did not answer` },
  copy: {
    retryable: true,
    sentence: (facts, executor) => `${facts.runtime} could not copy files for executor ${executor}`,
  },
};

/** Notes beside which the runtime's last words mean nothing: they are a program's own, or of another matter. */
const OF_OTHERS = new Set(['unwatched', 'client', 'disk', 'late', 'stream', 'lingering', 'outside']);

/** Why a job failed through no fault of an executor; `undefined` when an executor's own exit is the reason. */
export function systemErrorOf(progress: JobProgress, facts: JobFacts, detail: string | undefined): Observation['systemError'] {
  switch (progress.ending) {
    case 'prepare':
    case 'broken': {
      const note = progress.notes.findLast((candidate) => Object.hasOwn(FAULTS, candidate.word));
      const fault = note && FAULTS[note.word];
      const suffix = detail === undefined || (note && OF_OTHERS.has(note.word)) ? '' : `: ${detail}`;
      if (!note || !fault) {
        const what = progress.ending === 'broken' ? `${facts.runtime} could not start an executor` : 'an executor could not be prepared';
        return { message: `${what}${suffix}`, retryable: true };
      }
      return {
        message: `${fault.sentence(facts, executorOf(note.text))}${suffix}`,
        retryable: fault.retryable && !(note.word === 'pull' && isUnknownImage(detail)),
      };
    }
    case 'succeeded':
    case 'failed':
    case 'timeout': {
      const killed = progress.notes.findLast((note) => note.word === 'killed');
      // A memory limit kills as a stranger does.
      const byLimit = progress.notes.some((note) => note.word === 'oom');
      if (!killed || byLimit) return undefined;
      return { message: `the processes of executor ${killed.text} were killed from outside`, retryable: true };
    }
    case 'cancelled':
    case undefined:
      return undefined;
    default: {
      const never: never = progress.ending;
      return never;
    }
  }
}

/** Notes are of an executor (`0 ...`) or of a stream of one (`streams/0.stdout`). */
const executorOf = (text: string): number => Number(/\d+/.exec(text)?.[0] ?? 0);

/** The engines say only in words why a pull failed; these are the ones by which registries refuse for good (401, 403, 404). */
const REFUSALS =
  /manifest (?:for .* )?not found|manifest unknown|no matching manifest|name unknown|does not exist|access (?:to the resource is )?denied|\bdenied: |unauthorized|authentication required|invalid reference|no such image|short-name .* did not resolve|repository .* not found|exec format error/i;
/** A refusal of this machine's, whatever words it shares with those of a registry. */
const OF_THIS_MACHINE = /permission denied|docker daemon socket|cannot connect to|no such host|connection refused|i\/o timeout/i;

export function isUnknownImage(detail: string | undefined): boolean {
  return detail !== undefined && !OF_THIS_MACHINE.test(detail) && REFUSALS.test(detail);
}

/** Limits that were reached, each named with its value. */
export function breachesOf(progress: JobProgress, facts: JobFacts): readonly string[] {
  const isSaid = (word: string): boolean => progress.notes.some((note) => note.word === word);
  return [
    ...(isSaid('oom') ? [`memory limit ${Math.round(facts.memoryBytes / 2 ** 20)} MB reached`] : []),
    ...(isSaid('pids') ? [`limit of ${facts.pids} processes reached`] : []),
    ...(isSaid('timeout') || progress.ending === 'timeout' ? [`time limit of ${facts.maxRuntimeSeconds} s reached`] : []),
  ];
}

/** As much of a stream as its last line needs. */
export const MOST_DETAIL_BYTES = 4096;

/** docker ends its complaints with how to use it. */
const HINT = /^\s*$|^(?:Run|See) '(?:docker|podman) /;

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
    const line = (await read(`streams/${index}.${stream}`))
      ?.trim()
      .split('\n')
      .findLast((words) => !HINT.test(words));
    if (line) return line.replaceAll(directory, '(workspace)').slice(0, 500);
  }
  return undefined;
}
