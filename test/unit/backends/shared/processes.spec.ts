import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { part } from '../../../../src/backends/shared/job-script';
import { membersOf } from '../../../support/members';
import { temporaryDirectory } from '../temporary-directory';

/** Arguments and variables of a program may take 128 KiB here. */
const SMALLEST_STACK_KB = 400;
const PADDING = 'x'.repeat(122_000);
const MANY = 250;
/** Its second thread starts a program and waits for it; its first one ends. */
const HEADLESS = `
import ctypes, subprocess, threading, time
started = []
def work():
    started.append(subprocess.Popen(["/bin/sleep", "600"], env={}))
    started[0].wait()
threading.Thread(target=work).start()
while not started: time.sleep(0.01)
ctypes.CDLL(None).pthread_exit(None)`;

/** What `offspring` lists below a process, as numbers; and of how many processes the kernel was asked for it. */
async function below(pid: number, directory: string): Promise<{ readonly found: readonly number[]; readonly asked: number }> {
  writeFileSync(join(directory, 'cat'), `#!/bin/sh\necho $# >>${directory}/asked\nPATH='${process.env['PATH']}' exec cat "$@"\n`, {
    mode: 0o755,
  });
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', `${part('processes.sh')}\noffspring all "$1" ''`, 'sh', String(pid)], {
    env: { PATH: `${directory}:${process.env['PATH']}` },
  });
  const asked = readFileSync(join(directory, 'asked'), 'utf8').trim().split('\n').map(Number);
  return {
    found: stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => parseInt(line)),
    asked: asked.at(-1) ?? 0,
  };
}
const kernelTells = existsSync(`/proc/self/task/${process.pid}/children`);

describe('the processes of a job', () => {
  const directory = temporaryDirectory('processes');

  it('are found also where there are more than the arguments of a program may name', async () => {
    const job = `tes-many${process.pid}-1`;
    const script = `ulimit -s ${SMALLEST_STACK_KB}; i=0; while [ $i -lt ${MANY} ]; do sleep 600 & i=$((i + 1)); done; wait`;
    const child = spawn('/bin/sh', ['-c', script], { env: { PATH: process.env['PATH'], TES_GATEWAY_JOB: job } });
    const ended = once(child, 'exit');
    const file = join(directory(), 'find.sh');
    writeFileSync(file, `${part('processes.sh')}\n${part('script/absence.sh')}\nmembers_of "$1" && echo all`);
    while ((await membersOf(job)).length <= MANY) await pause(20);
    const asked = promisify(execFile)('/bin/sh', ['-c', `ulimit -s ${SMALLEST_STACK_KB}; exec sh "$@"`, 'sh', file, job], {
      env: { PATH: process.env['PATH'], PADDING },
    });
    const found = (
      await asked.finally(async () => {
        for (const { pid } of await membersOf(job)) process.kill(pid, 'SIGKILL');
        await ended;
      })
    ).stdout.split('\n');
    expect([found.length - 2, found.at(-2)]).toEqual([MANY + 1, 'all']);
  });

  it('are found also where the first thread of one has ended, which the kernel calls a zombie', async () => {
    const job = `tes-headless${process.pid}-1`;
    const env = { PATH: process.env['PATH'], TES_GATEWAY_JOB: job };
    const child = spawn('/bin/sh', ['-c', 'python3 -c "$0" & echo $!; wait', HEADLESS], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const headless = Number(said.toString());
    while (!/^State:\sZ/m.test(readFileSync(`/proc/${headless}/status`, 'utf8'))) await pause(10);
    const found = await membersOf(job);
    for (const pid of [headless, child.pid ?? 0]) process.kill(pid, 'SIGKILL');
    for (const { pid, name } of found) if (name === 'sleep') process.kill(pid, 'SIGKILL');
    await ended;
    expect(found.map(({ name }) => name).sort()).toEqual(['python3', 'sh', 'sleep']);
  });

  it('are found below one without a look at others, where the kernel tells, also below a second thread', async () => {
    const inner = `setsid env -i /bin/sh -c '/bin/sleep 600 & echo $$; wait' | { read -r session; python3 -c "$0" & echo $session $!; wait; }`;
    const child = spawn('/bin/sh', ['-c', inner, HEADLESS], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    const ended = once(child, 'exit');
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const [session = 0, headless = 0] = said.toString().split(' ').map(Number);
    while (!/^State:\sZ/m.test(readFileSync(`/proc/${headless}/status`, 'utf8'))) await pause(10);
    const seen = await below(child.pid ?? 0, directory());
    const names = seen.found.map((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()).sort();
    for (const group of [session, child.pid ?? 0]) process.kill(-group, 'SIGKILL');
    await ended;
    expect(names).toEqual(['python3', 'sh', 'sh', 'sleep', 'sleep']);
    // These, their root and the shell that looks.
    if (kernelTells) expect(seen.asked).toBe(7);
  });

  it('are found below one also where there are so many that everybody is looked at', async () => {
    const count = 350;
    const child = spawn('/bin/sh', ['-c', `i=0; while [ $i -lt ${count} ]; do sleep 600 & i=$((i + 1)); done; echo; wait`], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    const seen = await below(child.pid ?? 0, directory());
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await ended;
    expect(seen.found.length).toBe(count);
  });

  it('are not those of another, in a container, that bear its name', async () => {
    const job = `tes-victim${process.pid}-1`;
    const inner = `exec unshare -Urpf --kill-child env TES_GATEWAY_JOB=${job} sh -c 'echo begun; sleep 600'`;
    const child = spawn('/bin/sh', ['-c', inner], { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    const found = await membersOf(job);
    child.kill('SIGKILL');
    await ended;
    expect(found).toEqual([]);
  });
});
