import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { JobCgroups } from '../../../../src/backends/local/cgroups';
import { JobFence } from '../../../../src/backends/local/job-fence';
import { ProcessTable } from '../../../../src/backends/local/process-table';
import { temporaryDirectory } from '../temporary-directory';

/** A stand-in for podman's conmon with its child: what a podman leaves that is killed while it starts a container. */
function leaveWatcher(directory: string, container: string): { readonly process: ChildProcess; readonly ended: Promise<unknown> } {
  const program = join(directory, 'conmon');
  if (!existsSync(program)) copyFileSync('/bin/sh', program);
  const child = spawn(program, ['-c', 'sleep 600 & wait', '-n', container], { stdio: 'ignore' });
  return { process: child, ended: new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal))) };
}

describe('the fence around a job', () => {
  const directory = temporaryDirectory('fence');
  // Of this process alone: another run of the test must not find what this one left.
  const task = `tes-a${process.pid}`;

  it("ends a container's watcher that was left behind, with what it started, and no other job's", async () => {
    const processes = new ProcessTable();
    const left = leaveWatcher(directory(), `${task}-1-0`);
    const other = leaveWatcher(directory(), `${task}-10-0`);
    try {
      while ((await processes.watchersOf(`${task}-1`)).length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
      const fence = new JobFence(processes, new JobCgroups('fence-test', directory()));
      await fence.end(`${task}-1`, [], 0, AbortSignal.timeout(100_000));
      expect(await left.ended).toBe('SIGKILL');
      expect(await processes.watchersOf(`${task}-1`)).toEqual([]);
      expect((await processes.watchersOf(`${task}-10`)).map(({ name }) => name)).toContain('conmon');
    } finally {
      for (const job of [`${task}-1`, `${task}-10`]) for (const { pid } of await processes.watchersOf(job)) process.kill(pid, 'SIGKILL');
      await other.ended;
    }
  });
});
