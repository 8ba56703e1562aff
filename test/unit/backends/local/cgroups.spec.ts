import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { JobCgroups } from '../../../../src/backends/local/cgroups';
import { temporaryDirectory } from '../temporary-directory';

const LIMITS = { cpuCores: 1.5, memoryBytes: 1 << 28, pids: 7 };

describe('the limits of a runtime that has none of its own', () => {
  const directory = temporaryDirectory('cgroups');
  const read = (...path: string[]): Promise<string> => fs.readFile(join(directory(), ...path), 'utf8');
  /** In a directory of ordinary files rmdir fails on what the kernel would take away itself: only creation can be looked at here. */
  const probed = async (): Promise<JobCgroups> => {
    const groups = new JobCgroups('a/b', directory());
    jest.spyOn(groups, 'remove').mockResolvedValue();
    expect(await groups.probe()).toBe(true);
    return groups;
  };

  it('are one group in version 2', async () => {
    await fs.writeFile(join(directory(), 'cgroup.controllers'), 'cpu memory pids');
    const groups = await probed();
    expect(await groups.create('tes-a-1', LIMITS)).toEqual([join(directory(), 'tes-gateway-a_b', 'tes-a-1')]);
    expect(await read('tes-gateway-a_b', 'tes-a-1', 'memory.max')).toBe('268435456');
    expect(await read('tes-gateway-a_b', 'tes-a-1', 'cpu.max')).toBe('150000 100000');
    expect(await read('tes-gateway-a_b', 'tes-a-1', 'pids.max')).toBe('7');
    await fs.writeFile(join(directory(), 'tes-gateway-a_b', 'tes-a-1', 'memory.events'), 'low 0\noom 3\noom_kill 2\n');
    await fs.writeFile(join(directory(), 'tes-gateway-a_b', 'tes-a-1', 'pids.events'), 'max 5\n');
    expect(groups.events('tes-a-1')).toEqual({ memoryKills: 2, processRefusals: 5 });
  });

  it('are a group in each hierarchy in version 1', async () => {
    const groups = await probed();
    expect(await groups.create('tes-a-1', LIMITS)).toHaveLength(3);
    expect(await read('memory', 'tes-gateway-a_b', 'tes-a-1', 'memory.limit_in_bytes')).toBe('268435456');
    expect(await read('cpu', 'tes-gateway-a_b', 'tes-a-1', 'cpu.cfs_quota_us')).toBe('150000');
    expect(await read('pids', 'tes-gateway-a_b', 'tes-a-1', 'pids.max')).toBe('7');
    expect(groups.createParent('tes-b-1', LIMITS)).toBe('/tes-gateway-a_b/tes-b-1');
  });

  it('go with what an engine has left below them where no hierarchy is mounted', async () => {
    const groups = await probed();
    jest.restoreAllMocks();
    const parent = join(directory(), 'perf_event', 'tes-gateway-a_b');
    await fs.mkdir(join(parent, 'tes-a-1', 'conmon'), { recursive: true });
    await fs.writeFile(join(parent, 'tes-a-1', 'conmon', 'cgroup.procs'), '1');
    await groups.remove('tes-a-1', true);
    expect(await fs.readdir(parent)).not.toContain('tes-a-1');
  });

  it('are none where cgroups cannot be written', async () => {
    const groups = new JobCgroups('a', join(directory(), 'none', '\0'));
    expect(await groups.probe()).toBe(false);
    expect([groups.enforced, await groups.create('tes-a-1', LIMITS), await groups.pids('tes-a-1')]).toEqual([false, [], []]);
    expect(groups.events('tes-a-1')).toEqual({ memoryKills: 0, processRefusals: 0 });
    await groups.remove('tes-a-1', true);
  });
});
