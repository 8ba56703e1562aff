import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RuntimeName } from './runtimes/runtime';

const RUNTIME_PARTS: Readonly<Record<RuntimeName, string>> = {
  docker: 'containers.sh',
  podman: 'containers.sh',
  apptainer: 'apptainer.sh',
  bubblewrap: 'bubblewrap.sh',
};

/** The text of the job script for a runtime: its own part, then what all share. */
export function scriptFor(runtime: RuntimeName): string {
  const part = readFileSync(join(__dirname, 'runtimes', RUNTIME_PARTS[runtime]), 'utf8');
  return `#!/bin/sh\n${part}\n${readFileSync(join(__dirname, 'job.sh'), 'utf8')}`;
}
