/** How a job script ended, in its own words (`done` line of `result`). */
export const ENDINGS = ['succeeded', 'failed', 'cancelled', 'timeout', 'prepare', 'broken'] as const;
export type Ending = (typeof ENDINGS)[number];

/** Times are seconds since the machine's start; they survive changes of the clock. */
export interface ExecutorProgress {
  readonly startedUp: number;
  readonly endedUp?: number;
  readonly exitCode?: number;
}

export interface JobProgress {
  readonly executors: readonly ExecutorProgress[];
  /** Lines of other words, in order: `stdin 0`, `unplaced streams/0.stdout`, `broken 0 125`. */
  readonly notes: readonly { readonly word: string; readonly text: string }[];
  /** Everything that was written is on disk. */
  readonly synced: boolean;
  /** Absent while the script works, or when the file was cut (a crash of the machine). */
  readonly ending?: Ending;
}

/** Reads `progress` or `result`: lines of WORD UP TEXT. A last line without its newline has not been written yet. */
export function parseProgress(text: string): JobProgress {
  const executors: ExecutorProgress[] = [];
  const notes: { word: string; text: string }[] = [];
  let synced = false;
  let ending: Ending | undefined;
  for (const line of text.split('\n').slice(0, -1)) {
    const match = /^([a-z]+) ([0-9.]+) (.*)$/.exec(line);
    const [word, up, rest] = [match?.[1] ?? '', Number(match?.[2]), match?.[3] ?? ''];
    const [first = '', second = ''] = rest.split(' ');
    const started = executors[Number(first)];
    switch (word) {
      case 'begin':
        // In order: nothing else may say how many there are.
        if (first === String(executors.length)) executors.push({ startedUp: up });
        break;
      case 'end':
        if (started && /^\d{1,3}$/.test(second)) executors[Number(first)] = { ...started, endedUp: up, exitCode: Number(second) };
        break;
      case 'synced':
        synced = true;
        break;
      case 'done':
        ending = ENDINGS.find((candidate) => candidate === first);
        break;
      case '':
        break;
      default:
        notes.push({ word, text: rest });
    }
  }
  return { executors, notes, synced, ...(ending && { ending }) };
}

/** Whether an executor writes no more. */
export function isOver({ ending, executors }: JobProgress, executor: number): boolean {
  return ending !== undefined || executors[executor]?.exitCode !== undefined;
}

/** Who runs, or ran, a job's script: enough to never take another process for it. */
export interface ShellIdentity {
  readonly pid: number;
  /** Clock ticks since the machine's start, field 22 of /proc/PID/stat. */
  readonly startTicks: string;
  readonly bootId: string;
}

export function parseStarted(text: string): ShellIdentity | undefined {
  const match = /^(\d+) (\d+) ([0-9a-f-]+)\n/.exec(text);
  return match ? { pid: Number(match[1]), startTicks: match[2] ?? '', bootId: match[3] ?? '' } : undefined;
}
