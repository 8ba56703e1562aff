import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JobDirectories, removeTree } from '../../../../src/backends/local/job-directories';
import { KeptWorkspaces } from '../../../../src/backends/local/kept-workspaces';
import { temporaryDirectory } from '../temporary-directory';

const DAY_MS = 24 * 3600_000;
const MIB = 2 ** 20;
const never = new AbortController().signal;

describe('workspaces that are kept for a look', () => {
  const directory = temporaryDirectory('kept-workspaces');
  let now = Date.now();
  const left = (): string[] => readdirSync(join(directory(), 'kept')).sort();
  const made = async (limits: { ageMs?: number; bytes: number }, remove = removeTree): Promise<KeptWorkspaces> => {
    const directories = new JobDirectories(directory());
    await directories.prepare();
    return new KeptWorkspaces(directories, limits, remove, () => now);
  };
  const keep = async (kept: KeptWorkspaces, name: string, bytes: number): Promise<void> => {
    mkdirSync(join(directory(), 'jobs', name), { recursive: true });
    writeFileSync(join(directory(), 'jobs', name, 'file'), Buffer.alloc(bytes, 1));
    await kept.keep(name);
    now += DAY_MS;
  };

  it('go when their time is over, counted from when they were kept', async () => {
    const kept = await made({ ageMs: 2.5 * DAY_MS, bytes: Infinity });
    for (const name of ['a', 'b', 'c', 'd']) await keep(kept, name, 1);
    await kept.sweep(never);
    expect(left()).toEqual(['c', 'd']);
    now += 7 * DAY_MS;
    await kept.sweep(never);
    expect(left()).toEqual([]);
  });

  it('go when they take too much, the oldest first, and never the latest', async () => {
    const kept = await made({ bytes: 2.5 * MIB });
    for (const name of ['c', 'b', 'a']) await keep(kept, name, MIB);
    await kept.sweep(never);
    expect(left()).toEqual(['a', 'b']);
    await keep(kept, 'large', 4 * MIB);
    await kept.sweep(never);
    expect(left()).toEqual(['large']);
  });

  it('are swept though one of them cannot be removed', async () => {
    const kept = await made({ ageMs: 0, bytes: 1 }, (path) =>
      path.endsWith('/a') && existsSync(path) ? Promise.reject(new Error('busy')) : removeTree(path),
    );
    for (const name of ['a', 'b']) await keep(kept, name, 1);
    await expect(kept.sweep(never)).rejects.toThrow('busy');
    expect(left()).toEqual(['a']);
  });
});
