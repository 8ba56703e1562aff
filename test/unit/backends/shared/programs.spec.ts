import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { part } from '../../../../src/backends/shared/job-script';
import { temporaryDirectory } from '../temporary-directory';

/** Of PID:PARENT. */
const nameOf = (listed: string): string => /^Name:\t(.*)$/m.exec(readFileSync(`/proc/${parseInt(listed)}/status`, 'utf8'))?.[1] ?? '';

describe('what of a job is asked to end', () => {
  const directory = temporaryDirectory('programs');

  it.each(['bwrap', 'conmon', 'starter', 'starter-suid', 'appinit'])(
    'is what %s runs, not itself: it would forward TERM or ignore it',
    async (runtime) => {
      const runs = join(directory(), runtime);
      copyFileSync('/bin/sh', runs);
      const job = spawn('/bin/sh', ['-c', `${runs} -c 'sleep 600 & wait'; true`], {
        stdio: 'ignore',
        detached: true,
      });
      const ended = once(job, 'exit');
      const script = `${part('processes.sh')}\noffspring "$1" "$2" ""`;
      const found = (which: string): readonly string[] => {
        const listed = execFileSync('/bin/sh', ['-c', script, 'sh', which, String(job.pid)], { encoding: 'utf8' }).split('\n');
        const ways = listed.filter((line) => line.includes(':'));
        return ways.map(nameOf).sort();
      };
      while (!found('all').includes('sleep')) await pause(5);
      const both = [found('executor'), found('all')];
      process.kill(-(job.pid ?? 0), 'SIGKILL');
      await ended;
      expect(both).toEqual([['sleep'], ['sleep', runtime].sort()]);
    },
  );
});
