import { join } from 'node:path';

/**
 * The workspace of one attempt, the only place that spells its names (see README.md of this folder for the picture).
 * Every runtime, the job script, and whoever reads results use these.
 */
export interface Layout {
  readonly directory: string;
  /** Trees being filled by the Stager; renamed to `trees` when complete. */
  readonly inputs: string;
  readonly trees: string;
  /** Streams and evidence. Never mounted. */
  readonly streams: string;
  readonly plan: string;
  /** Plan being written; renamed to `plan`. */
  readonly newPlan: string;
  /** pid, start time and boot id of the job's shell; made by an atomic link. */
  readonly started: string;
  /** pid of the runtime's own process. */
  readonly launched: string;
  /** Room for the script's last words; made by it before anything else. */
  readonly reserve: string;
  readonly progress: string;
  /** `progress`, renamed when the last line was written. */
  readonly result: string;
}

export function layoutOf(directory: string): Layout {
  return {
    directory,
    inputs: join(directory, 'inputs'),
    trees: join(directory, 'trees'),
    streams: join(directory, 'streams'),
    plan: join(directory, 'plan'),
    newPlan: join(directory, 'plan.new'),
    started: join(directory, 'started'),
    launched: join(directory, 'launched'),
    reserve: join(directory, 'reserve'),
    progress: join(directory, 'progress'),
    result: join(directory, 'result'),
  };
}

/** Relative to the workspace, as the script names them. */
export const streamName = (executor: number, stream: 'stdin' | 'stdout' | 'stderr'): string => `streams/${executor}.${stream}`;
