import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { part } from '../../src/backends/shared/job-script';

const FIND = `WATCHER=conmon\n${part('processes.sh')}\n${part('script/absence.sh')}\nmembers_of "$1"`;

/** The processes of a job as the scripts find them, those of its containers' watchers too. */
export async function membersOf(jobName: string): Promise<readonly { readonly pid: number; readonly name: string }[]> {
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', FIND, 'sh', jobName]);
  return stdout
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => {
      const [pid = ''] = line.split(':');
      try {
        return [{ pid: Number(pid), name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim() }];
      } catch {
        return [];
      }
    });
}
