import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RuntimeName } from './runtimes/runtime';
import { RUNTIMES } from './runtimes/runtimes';

/** Text of one of the script's files in this folder. */
export const part = (name: string): string => readFileSync(join(__dirname, name), 'utf8');

/** Where the gateway does for a job what the host needs: nothing to do before, and once the result is there. */
const GATEWAY_IS_HERE = 'open_job() { :; }\nclose_job() { count_breaches; }\ntell_result() { :; }\n';

/**
 * The text of the job script for a runtime: what ends an executor, the part of the host, the runtime's own, then what all share.
 * `host` defines `open_job` (after the plan was read; a failure ends the job), `close_job` (before the result, with its word) and `tell_result`.
 */
export function scriptFor(runtime: RuntimeName, host = GATEWAY_IS_HERE): string {
  const own = RUNTIMES[runtime].scriptParts.map((name) => part(`runtimes/${name}`));
  const parts = [part('processes.sh'), part('ending.sh'), part('breaches.sh'), host, ...own, part('job.sh')];
  return `#!/bin/sh\n${parts.join('\n')}`;
}
