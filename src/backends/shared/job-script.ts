import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RuntimeName } from './runtimes/runtime';

const RUNTIME_PARTS: Readonly<Record<RuntimeName, string>> = {
  docker: 'containers.sh',
  podman: 'containers.sh',
  apptainer: 'apptainer.sh',
  bubblewrap: 'bubblewrap.sh',
};

/** Where the gateway does for a job what the host needs: nothing to do before, after, and once the result is there. */
const GATEWAY_IS_HERE = 'open_job() { :; }\nclose_job() { :; }\ntell_result() { :; }\n';

/**
 * The text of the job script for a runtime: the part of the host, the runtime's own, then what all share.
 * `host` defines `open_job` (after the plan was read; a failure ends the job), `close_job` (before the result, with its word) and `tell_result`.
 */
export function scriptFor(runtime: RuntimeName, host = GATEWAY_IS_HERE): string {
  const part = readFileSync(join(__dirname, 'runtimes', RUNTIME_PARTS[runtime]), 'utf8');
  return `#!/bin/sh\n${host}\n${part}\n${readFileSync(join(__dirname, 'job.sh'), 'utf8')}`;
}
