import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { JOB_VARIABLE, ProcessTable } from '../../../../src/backends/local/process-table';
import { temporaryDirectory } from '../temporary-directory';

describe('the process table', () => {
  const table = new ProcessTable();
  const directory = temporaryDirectory('proc');

  it('knows a process again by its start and its boot, not by its number', async () => {
    const mine = await table.entry(process.pid);
    const bootId = await table.bootId();
    const identity = { pid: process.pid, startTicks: mine?.startTicks ?? '', bootId };
    expect(await table.isAlive(identity)).toBe(true);
    expect(await table.isAlive({ ...identity, startTicks: '1' })).toBe(false);
    expect(await table.isAlive({ ...identity, bootId: 'another' })).toBe(false);
    expect(await table.isAlive({ ...identity, pid: 2 ** 30 })).toBe(false);
  });

  it('finds what carries the name of a job, and what that started, also in another session', async () => {
    // Its own in every process: what carries the name is ended, also that of another run of this test.
    const name = `tes-table${process.pid}-1`;
    const script = 'env -i setsid sleep 600 & echo ready; wait';
    const child = spawn('/bin/sh', ['-c', script], {
      env: { PATH: process.env['PATH'], [JOB_VARIABLE]: name },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    let members = await table.membersOf(name);
    while (!members.some((member) => member.name === 'sleep')) members = await table.membersOf(name);
    expect(members.find((member) => member.name === 'sleep')).toMatchObject({ isOurs: false });
    expect(members.find((member) => member.pid === child.pid)).toMatchObject({ isOurs: true });
    expect(await table.membersOf(`${name}0`)).toEqual([]);
    for (const member of members) await table.signal(member, 'SIGKILL');
    await ended;
    expect(await table.membersOf(name)).toEqual([]);
  });

  it('sends nothing to a later process with the same number', async () => {
    const child = spawn('sleep', ['600']);
    const ended = once(child, 'exit');
    await once(child, 'spawn');
    const entry = await table.entry(child.pid ?? 0);
    if (!entry) throw new Error('the child is not there');
    await table.signal({ ...entry, startTicks: '1' }, 'SIGKILL');
    expect(await table.entry(entry.pid)).toBeDefined();
    await table.signal(entry, 'SIGKILL');
    await ended;
  });

  it('reads a program name with blanks and brackets, and takes a zombie for ended', async () => {
    const stat = (state: string) => `7 (a) b (c) ${state} 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0`;
    await fs.mkdir(join(directory(), '7'));
    await fs.writeFile(join(directory(), '7', 'stat'), stat('S'));
    expect(await new ProcessTable(directory()).entry(7)).toEqual({ pid: 7, name: 'a) b (c', parentPid: 3, startTicks: '4711' });
    await fs.writeFile(join(directory(), '7', 'stat'), stat('Z'));
    expect(await new ProcessTable(directory()).entry(7)).toBeUndefined();
  });
});
