import { join } from 'node:path';
import type { Layout } from './layout';
import { readTextOrNothing } from './small-files';

export const FACTS_FILE = 'facts.json';

/** What a later gateway needs to put a result into words; written beside the plan. Later versions only add members. */
export interface JobFacts {
  readonly version: 1;
  readonly runtime: string;
  readonly maxRuntimeSeconds: number;
  readonly memoryBytes: number;
  readonly pids: number;
  /** Lines for `system_logs` that are known before the start. */
  readonly systemLogs: readonly string[];
  readonly executors: readonly {
    readonly image: string;
    readonly stdin?: string;
    readonly stdout?: string;
    readonly stderr?: string;
    readonly workdir?: string;
  }[];
}

export function readFacts(layout: Layout): JobFacts | undefined {
  const text = readTextOrNothing(join(layout.plan, FACTS_FILE));
  return text === undefined ? undefined : (JSON.parse(text) as JobFacts);
}
