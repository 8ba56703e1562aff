import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { JobEnding } from '../../../../src/backends/local/job-ending';
import { LocalClient } from '../../../../src/backends/local/local.client';
import { ProcessTable } from '../../../../src/backends/local/process-table';
import { part } from '../../../../src/backends/shared/job-script';
import { layoutOf } from '../../../../src/backends/shared/layout';
import { membersOf } from '../../../support/members';
import { temporaryDirectory } from '../temporary-directory';

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
}

function start(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(program, args, { stdio: 'ignore', env: { PATH: process.env['PATH'], ...env } });
  return { child, ended: once(child, 'exit').then(([, signal]: readonly unknown[]) => signal) };
}

describe('the end of a job on this machine', () => {
  const directory = temporaryDirectory('ending');
  const processes = new ProcessTable();
  const signal = AbortSignal.timeout(100_000);
  const ending = new JobEnding(new LocalClient(), processes);
  // Of this process alone: what carries the name is ended, also that of another run of this test.
  const task = `tes-a${process.pid}`;
  const untilMembers = async (job: string, count: number): Promise<void> => {
    while ((await membersOf(job)).length < count) await pause(10);
  };

  it('is that of all that carries its name, and of what that started, also in another session', async () => {
    const { ended } = start('/bin/sh', ['-c', 'env -i setsid sleep 600 & wait'], { TES_GATEWAY_JOB: `${task}-1` });
    const other = start('sleep', ['600'], { TES_GATEWAY_JOB: `${task}-10` });
    await untilMembers(`${task}-1`, 2);
    await ending.end(`${task}-1`, layoutOf(directory()), 'bubblewrap', undefined, signal);
    await ended;
    expect(await membersOf(`${task}-1`)).toEqual([]);
    expect((await membersOf(`${task}-10`)).map(({ pid }) => pid)).toEqual([other.child.pid]);
    other.child.kill('SIGKILL');
    await other.ended;
  });

  it("is that of a container's watcher that was left behind, with what it started, and of no other job's", async () => {
    const program = join(directory(), 'conmon');
    if (!existsSync(program)) copyFileSync('/bin/sh', program);
    // What a podman leaves that is killed while it starts a container.
    const leave = (container: string): Started => start(program, ['-c', 'sleep 600 & wait', '-n', container]);
    const left = leave(`${task}-2-0`);
    const other = leave(`${task}-20-0`);
    // No engine is asked here: that a removal fails is not what this shows.
    mkdirSync(join(directory(), 'bin'), { recursive: true });
    writeFileSync(join(directory(), 'bin', 'podman'), '#!/bin/sh\n', { mode: 0o755 });
    const client = new LocalClient({ PATH: `${join(directory(), 'bin')}:${process.env['PATH']}` });
    await untilMembers(`${task}-2`, 2);
    await untilMembers(`${task}-20`, 2);
    await new JobEnding(client, processes).end(`${task}-2`, layoutOf(directory()), 'podman', undefined, signal);
    await left.ended;
    expect(await membersOf(`${task}-2`)).toEqual([]);
    const stay = await membersOf(`${task}-20`);
    expect(stay.map(({ name }) => name)).toContain('conmon');
    for (const { pid } of stay) process.kill(pid, 'SIGKILL');
    await other.ended;
  });

  it('is not said while the engine does not answer', async () => {
    mkdirSync(join(directory(), 'bin'), { recursive: true });
    writeFileSync(join(directory(), 'bin', 'docker'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const client = new LocalClient({ PATH: `${join(directory(), 'bin')}:${process.env['PATH']}` });
    const ended = new JobEnding(client, processes).end(`${task}-4`, layoutOf(directory()), 'docker', undefined, signal);
    await expect(ended).rejects.toMatchObject({ retryable: true, unavailable: true });
  });

  it.each([
    ['grep', 'exit 2'],
    ['grep', 'kill -KILL $$'],
    ['cat', 'exit 1'],
    ['awk', 'exit 2'],
  ])('is not said where the processes could not be listed: %s, %s', async (tool, script) => {
    const { child, ended } = start('sleep', ['600'], { TES_GATEWAY_JOB: `${task}-5` });
    await untilMembers(`${task}-5`, 1);
    const bin = join(directory(), `bin-${tool}-${script.length}`);
    mkdirSync(bin);
    writeFileSync(join(bin, tool), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const client = new LocalClient({ PATH: `${bin}:${process.env['PATH']}` });
    const said = new JobEnding(client, processes).end(`${task}-5`, layoutOf(directory()), 'bubblewrap', undefined, signal);
    const isSaid = await said.then(
      () => true,
      (error: unknown) => error,
    );
    child.kill('SIGKILL');
    await ended;
    expect(isSaid).toMatchObject({ retryable: true, unavailable: true });
  });

  it('leaves to the script what it does once its executor has ended', async () => {
    const layout = layoutOf(directory());
    const told = join(directory(), 'told');
    const script = start('/bin/sh', ['-c', `sleep 600 & wait; sh -c 'sleep 0.5; echo >${told}'; true`], { TES_GATEWAY_JOB: `${task}-9` });
    const identity = await processes.entry(script.child.pid ?? 0);
    await untilMembers(`${task}-9`, 2);
    writeFileSync(layout.started, `${identity?.pid} ${identity?.startTicks} ${await processes.bootId()}\n`);
    await ending.end(`${task}-9`, layout, 'bubblewrap', 5, signal);
    await script.ended;
    expect(existsSync(told)).toBe(true);
  });

  it('is that of all in its group, and of what is in none', async () => {
    const root = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].find((name) => existsSync(join(name, 'cgroup.procs')));
    const job = `${task}-7`;
    const group = `${root}/tes-gateway-test-${process.pid}/${job}`;
    // Without groups, or the right to make one, it is that of what bears the name.
    const hasGroup = root !== undefined && process.getuid?.() === 0;
    const inside = start('sleep', ['600'], hasGroup ? {} : { TES_GATEWAY_JOB: job });
    const outside = start('sleep', ['600'], { TES_GATEWAY_JOB: job });
    if (hasGroup) {
      mkdirSync(group, { recursive: true });
      writeFileSync(`${group}/cgroup.procs`, String(inside.child.pid));
    }
    await untilMembers(job, 2);
    await ending.end(job, layoutOf(directory()), 'bubblewrap', undefined, signal);
    expect(await Promise.all([inside.ended, outside.ended])).toEqual(['SIGKILL', 'SIGKILL']);
    if (hasGroup) for (const name of [group, dirname(group)]) rmdirSync(name);
  });

  it('is said after two looks at all processes, and looks for no parents where nobody is left', async () => {
    const bin = join(directory(), 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'awk'), '#!/bin/sh\nexit 2\n', { mode: 0o755 });
    writeFileSync(join(bin, 'grep'), `#!/bin/sh\necho >>${bin}/looks\nPATH='${process.env['PATH']}' exec grep "$@"\n`, { mode: 0o755 });
    const client = new LocalClient({ PATH: `${bin}:${process.env['PATH']}` });
    await new JobEnding(client, processes).end(`${task}-8`, layoutOf(directory()), 'bubblewrap', undefined, signal);
    expect(readFileSync(join(bin, 'looks'), 'utf8')).toBe('\n\n');
    // A worker's script ends its own job: it is not one of those who are left.
    const text = `set -uf\nENGINE=\n${['processes.sh', 'ending.sh', 'script/absence.sh'].map(part).join('\n')}\nend_job "$1" 1`;
    const own = spawn('/bin/sh', ['-c', text, 'sh', `${task}-8`], {
      stdio: 'ignore',
      env: { PATH: `${bin}:${process.env['PATH']}`, TES_GATEWAY_JOB: `${task}-8` },
    });
    expect((await once(own, 'exit'))[0]).toBe(0);
  });

  it('is not that of another process that has the number of one by now', async () => {
    const other = start('sleep', ['600']);
    const { ended } = start('sleep', ['600'], { TES_GATEWAY_JOB: `${task}-6` });
    await untilMembers(`${task}-6`, 1);
    const bin = join(directory(), 'bin');
    mkdirSync(bin, { recursive: true });
    // The first listing names what has another parent since.
    const once = `#!/bin/sh\nif mkdir ${bin}/listed 2>/dev/null; then echo ${other.child.pid}:1; else PATH='${process.env['PATH']}' exec awk "$@"; fi\n`;
    writeFileSync(join(bin, 'awk'), once, { mode: 0o755 });
    const client = new LocalClient({ PATH: `${bin}:${process.env['PATH']}` });
    await new JobEnding(client, processes).end(`${task}-6`, layoutOf(directory()), 'bubblewrap', undefined, signal);
    expect(await processes.entry(other.child.pid ?? 0)).toBeDefined();
    other.child.kill('SIGTERM');
    expect(await Promise.all([other.ended, ended])).toEqual(['SIGTERM', 'SIGKILL']);
  });

  it('is not said where it is not certain; with no process left to start, the runtime goes by its number, if it is its still', async () => {
    const noProcess = new JobEnding({ command: () => Promise.reject(new Error('EAGAIN')) }, processes);
    const layout = layoutOf(directory());
    const runtime = start('sleep', ['600']);
    const script = await processes.entry(process.pid);
    const endIt = (): Promise<void> => noProcess.end(`${task}-3`, layout, 'bubblewrap', 1, signal);
    writeFileSync(layout.launched, `${runtime.child.pid}\n`);
    for (const [ticks, boot] of [
      ['1', await processes.bootId()],
      [script?.startTicks, 'another'],
    ]) {
      writeFileSync(layout.started, `${process.pid} ${ticks} ${boot}\n`);
      await expect(endIt()).rejects.toMatchObject({ retryable: true, unavailable: true });
      expect(await processes.entry(runtime.child.pid ?? 0)).toBeDefined();
    }
    writeFileSync(layout.started, `${process.pid} ${script?.startTicks} ${await processes.bootId()}\n`);
    await expect(endIt()).rejects.toMatchObject({ retryable: true, unavailable: true });
    expect(await runtime.ended).toBe('SIGKILL');
  });
});
