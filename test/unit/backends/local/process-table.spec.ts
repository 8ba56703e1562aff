import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { ProcessTable } from '../../../../src/backends/local/process-table';
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

  it('reads what comes after a name with blanks and brackets, and takes a zombie for ended', async () => {
    const stat = (state: string) => `7 (a) b (c) ${state} 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0`;
    await fs.mkdir(join(directory(), '7'));
    await fs.writeFile(join(directory(), '7', 'stat'), stat('S'));
    expect(await new ProcessTable(directory()).entry(7)).toEqual({ pid: 7, parentPid: 3, startTicks: '4711' });
    await fs.writeFile(join(directory(), '7', 'stat'), stat('Z'));
    expect(await new ProcessTable(directory()).entry(7)).toBeUndefined();
  });
});
