import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { makeGroups, removeGroups } from '../../../../src/backends/local/cgroups';
import { type CgroupLayout, type LimitGroups, limitGroups } from '../../../../src/backends/shared/cgroup-rules';
import { part } from '../../../../src/backends/shared/job-script';
import { RUNTIMES } from '../../../../src/backends/shared/runtimes/runtimes';
import { countLines } from '../../../../src/backends/shared/script/script-manifest';
import { temporaryDirectory } from '../temporary-directory';

const LIMITS = { cpuCores: 1.5, memoryBytes: 1 << 28, pids: 7 };

describe('the limits of a runtime that has none of its own', () => {
  const directory = temporaryDirectory('cgroups');
  const read = (...path: string[]): Promise<string> => fs.readFile(join(directory(), ...path), 'utf8');
  const write = (text: string, ...path: string[]): Promise<void> => fs.writeFile(join(directory(), ...path), text);
  /** Files that the kernel would have made with a group. */
  const groupWith = async (path: string, ...files: string[]): Promise<void> => {
    await fs.mkdir(join(directory(), path), { recursive: true });
    for (const file of files) await write('', path, file);
  };
  const groupsOf = (layout: 'none' | CgroupLayout, runtime: 'bubblewrap' | 'podman' = 'bubblewrap', jobName = 'tes-a-1'): LimitGroups =>
    limitGroups(
      RUNTIMES[runtime],
      { groups: layout, needsMemoryGroup: runtime === 'podman' },
      'tes-gateway-a_b',
      jobName,
      LIMITS,
      directory(),
    );
  /** What the job script makes of the kernel's counts; the executor has ended with a code. */
  const notes = async ({ counts }: LimitGroups, code = 0): Promise<readonly string[]> => {
    await write(`end 1.0 0 ${code}\n`, 'progress');
    const text = `set -uf\nnote() { echo "$1"; }\n${countLines(counts).join('\n')}\n${part('breaches.sh')}\ncount_breaches`;
    return spawnSync('/bin/sh', ['-c', text], { cwd: directory() }).stdout.toString().split('\n').filter(Boolean);
  };

  it('are one group in version 2, without swap, whose processes end together when memory runs out', async () => {
    await groupWith('tes-gateway-a_b', 'cgroup.subtree_control');
    await groupWith('tes-gateway-a_b/tes-a-1', 'memory.max', 'memory.swap.max', 'memory.oom.group', 'cpu.max', 'pids.max');
    const groups = groupsOf('v2');
    await makeGroups(groups);
    expect(groups.joined).toEqual([join(directory(), 'tes-gateway-a_b', 'tes-a-1')]);
    const limits = ['memory.max', 'memory.swap.max', 'memory.oom.group', 'cpu.max', 'pids.max'];
    const values = await Promise.all(limits.map((file) => read('tes-gateway-a_b', 'tes-a-1', file)));
    expect(values).toEqual(['268435456', '0', '1', '150000 100000', '7']);
    expect(await read('tes-gateway-a_b', 'cgroup.subtree_control')).toBe('+memory +pids +cpu');
    expect(await notes(groups)).toEqual([]);
    await write('low 0\noom 3\noom_kill 0\n', 'tes-gateway-a_b', 'tes-a-1', 'memory.events');
    await write('max 5\n', 'tes-gateway-a_b', 'tes-a-1', 'pids.events');
    expect(await notes(groups)).toEqual(['pids']);
    await write('low 0\noom 3\noom_kill 2\n', 'tes-gateway-a_b', 'tes-a-1', 'memory.events');
    expect(await notes(groups)).toEqual(['oom', 'pids']);
  });

  it('are a group in each hierarchy in version 1, with swap where the kernel counts it', async () => {
    await groupWith('memory/tes-gateway-a_b/tes-a-1', 'memory.limit_in_bytes');
    await groupWith('memory/tes-gateway-a_b/tes-b-1', 'memory.limit_in_bytes', 'memory.memsw.limit_in_bytes');
    await groupWith('cpu/tes-gateway-a_b/tes-a-1', 'cpu.cfs_period_us', 'cpu.cfs_quota_us');
    await groupWith('pids/tes-gateway-a_b/tes-a-1', 'pids.max');
    const groups = groupsOf('v1');
    await makeGroups(groups);
    expect(groups.joined).toHaveLength(3);
    expect(await read('memory', 'tes-gateway-a_b', 'tes-a-1', 'memory.limit_in_bytes')).toBe('268435456');
    expect(await read('cpu', 'tes-gateway-a_b', 'tes-a-1', 'cpu.cfs_quota_us')).toBe('150000');
    expect(await read('pids', 'tes-gateway-a_b', 'tes-a-1', 'pids.max')).toBe('7');
    expect(await fs.readdir(join(directory(), 'memory', 'tes-gateway-a_b', 'tes-a-1'))).toEqual(['memory.limit_in_bytes']);
  });

  it('are one above the containers where their engine does not say that memory ran out: what was killed, was killed by that', async () => {
    await groupWith('memory/tes-gateway-a_b/tes-b-1', 'memory.limit_in_bytes', 'memory.memsw.limit_in_bytes');
    const groups = groupsOf('v1', 'podman', 'tes-b-1');
    await makeGroups(groups);
    expect([groups.parent, groups.joined]).toEqual(['/tes-gateway-a_b/tes-b-1', []]);
    expect(await read('memory', 'tes-gateway-a_b', 'tes-b-1', 'memory.memsw.limit_in_bytes')).toBe('268500992');
    await write('3\n', 'memory', 'tes-gateway-a_b', 'tes-b-1', 'memory.failcnt');
    expect([await notes(groups, 1), await notes(groups, 137)]).toEqual([[], ['oom']]);
    await write('0\n', 'memory', 'tes-gateway-a_b', 'tes-b-1', 'memory.failcnt');
    expect(await notes(groups, 137)).toEqual([]);
  });

  it('are none in a directory of ordinary files, in which nothing is left behind', async () => {
    const before = await fs.readdir(directory());
    const tried = spawnSync('/bin/sh', ['-c', `${part('groups.sh')}\ntry_groups "$@"`, 'sh', 'tes-gateway-a', directory()]);
    expect(tried.stdout.toString()).toBe('none\n');
    expect(await fs.readdir(directory())).toEqual(before);
    expect(groupsOf('none')).toEqual({ joined: [], directories: [], rules: [], counts: {} });
    expect(await notes(groupsOf('none'), 137)).toEqual([]);
  });

  it('never take a file that the kernel did not make for a limit', async () => {
    await groupWith('tes-gateway-a_b', 'cgroup.subtree_control');
    await expect(makeGroups(groupsOf('v2', 'bubblewrap', 'tes-c-1'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('go with what an engine has left below them where no hierarchy is mounted', async () => {
    const parent = join(directory(), 'perf_event', 'tes-gateway-a_b');
    await fs.mkdir(join(parent, 'tes-a-1', 'conmon'), { recursive: true });
    await fs.writeFile(join(parent, 'tes-a-1', 'conmon', 'cgroup.procs'), '1');
    await removeGroups('v1', 'a/b', 'tes-a-1', true, directory());
    expect(await fs.readdir(parent)).not.toContain('tes-a-1');
  });
});
