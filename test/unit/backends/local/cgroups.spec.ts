import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { JobCgroups } from '../../../../src/backends/local/cgroups';
import { part } from '../../../../src/backends/shared/job-script';
import { temporaryDirectory } from '../temporary-directory';

const LIMITS = { cpuCores: 1.5, memoryBytes: 1 << 28, pids: 7 };

describe('the limits of a runtime that has none of its own', () => {
  const directory = temporaryDirectory('cgroups');
  const read = (...path: string[]): Promise<string> => fs.readFile(join(directory(), ...path), 'utf8');
  /** Files that the kernel would have made with a group. */
  const groupWith = async (path: string, ...files: string[]): Promise<void> => {
    await fs.mkdir(join(directory(), path), { recursive: true });
    for (const file of files) await fs.writeFile(join(directory(), path, file), '');
  };

  it('are one group in version 2, without swap, whose processes end together when memory runs out', async () => {
    await groupWith('tes-gateway-a_b', 'cgroup.subtree_control');
    await groupWith('tes-gateway-a_b/tes-a-1', 'memory.max', 'memory.swap.max', 'memory.oom.group', 'cpu.max', 'pids.max');
    const groups = new JobCgroups('a/b', directory(), 'v2');
    expect(await groups.create('tes-a-1', LIMITS)).toEqual([join(directory(), 'tes-gateway-a_b', 'tes-a-1')]);
    const limits = ['memory.max', 'memory.swap.max', 'memory.oom.group', 'cpu.max', 'pids.max'];
    const values = await Promise.all(limits.map((file) => read('tes-gateway-a_b', 'tes-a-1', file)));
    expect(values).toEqual(['268435456', '0', '1', '150000 100000', '7']);
    expect(await read('tes-gateway-a_b', 'cgroup.subtree_control')).toBe('+memory +pids +cpu');
    await fs.writeFile(join(directory(), 'tes-gateway-a_b', 'tes-a-1', 'memory.events'), 'low 0\noom 3\noom_kill 2\n');
    await fs.writeFile(join(directory(), 'tes-gateway-a_b', 'tes-a-1', 'pids.events'), 'max 5\n');
    expect(groups.events('tes-a-1')).toEqual({ memoryKills: 2, processRefusals: 5 });
  });

  it('are a group in each hierarchy in version 1, with swap where the kernel counts it', async () => {
    await groupWith('memory/tes-gateway-a_b/tes-a-1', 'memory.limit_in_bytes');
    await groupWith('memory/tes-gateway-a_b/tes-b-1', 'memory.limit_in_bytes', 'memory.memsw.limit_in_bytes');
    await groupWith('cpu/tes-gateway-a_b/tes-a-1', 'cpu.cfs_period_us', 'cpu.cfs_quota_us');
    await groupWith('pids/tes-gateway-a_b/tes-a-1', 'pids.max');
    const groups = new JobCgroups('a/b', directory(), 'v1');
    expect(await groups.create('tes-a-1', LIMITS)).toHaveLength(3);
    expect(await read('memory', 'tes-gateway-a_b', 'tes-a-1', 'memory.limit_in_bytes')).toBe('268435456');
    expect(await read('cpu', 'tes-gateway-a_b', 'tes-a-1', 'cpu.cfs_quota_us')).toBe('150000');
    expect(await read('pids', 'tes-gateway-a_b', 'tes-a-1', 'pids.max')).toBe('7');
    expect(await fs.readdir(join(directory(), 'memory', 'tes-gateway-a_b', 'tes-a-1'))).toEqual(['memory.limit_in_bytes']);
    expect(groups.createParent('tes-b-1', LIMITS)).toBe('/tes-gateway-a_b/tes-b-1');
    expect(await read('memory', 'tes-gateway-a_b', 'tes-b-1', 'memory.memsw.limit_in_bytes')).toBe('268500992');
  });

  it('are none in a directory of ordinary files, in which nothing is left behind', async () => {
    const before = await fs.readdir(directory());
    const tried = spawnSync('/bin/sh', ['-c', `${part('groups.sh')}\ntry_groups "$@"`, 'sh', 'tes-gateway-a', directory()]);
    expect(tried.stdout.toString()).toBe('none\n');
    expect(await fs.readdir(directory())).toEqual(before);
  });

  it('never take a file that the kernel did not make for a limit', async () => {
    await groupWith('tes-gateway-a_b', 'cgroup.subtree_control');
    await expect(new JobCgroups('a/b', directory(), 'v2').create('tes-c-1', LIMITS)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('go with what an engine has left below them where no hierarchy is mounted', async () => {
    const groups = new JobCgroups('a/b', directory(), 'v1');
    const parent = join(directory(), 'perf_event', 'tes-gateway-a_b');
    await fs.mkdir(join(parent, 'tes-a-1', 'conmon'), { recursive: true });
    await fs.writeFile(join(parent, 'tes-a-1', 'conmon', 'cgroup.procs'), '1');
    await groups.remove('tes-a-1', true);
    expect(await fs.readdir(parent)).not.toContain('tes-a-1');
  });

  it('are none where cgroups cannot be written', async () => {
    const groups = new JobCgroups('a', join(directory(), 'none'));
    groups.use('none');
    expect([groups.enforced, await groups.create('tes-a-1', LIMITS)]).toEqual([false, []]);
    expect(groups.events('tes-a-1')).toEqual({ memoryKills: 0, processRefusals: 0 });
    await groups.remove('tes-a-1', true);
  });
});
