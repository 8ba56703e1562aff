import { execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageIn, type TransferOptions, type TransferProgress } from '../../../../src/engine/transfers/transfers';
import { TransferError } from '../../../../src/ports/errors';
import { StorageRegistry } from '../../../../src/ports/registries';
import type { TesInput, TesTaskRequest } from '../../../../src/task/tes';
import { BreakingStorage } from './breaking-storage';
import { TempWorkspace } from './temp-workspace';
import { failureOf } from '../../../support/transfer-failure';

const signal = new AbortController().signal;
const QUICK: TransferOptions = { firstDelayMs: 1, longestDelayMs: 2 };
let directory: string;
let data: string;
let workspace: TempWorkspace;
let storage: BreakingStorage;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stage-in-'));
  data = join(directory, 'data');
  await mkdir(data);
  workspace = new TempWorkspace(directory);
  storage = new BreakingStorage({ allowed: [data] });
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const request = (inputs: readonly TesInput[]): TesTaskRequest => ({ executors: [{ image: 'i', command: ['c'] }], inputs: [...inputs] });
const stage = (inputs: readonly TesInput[], options: TransferOptions = QUICK, stop = signal): ReturnType<typeof stageIn> =>
  stageIn(request(inputs), workspace, new StorageRegistry([storage]), options, stop);
const staged = (path: string): Promise<string> => readFile(join(workspace.root, path), 'utf8');
describe('stageIn', () => {
  it('writes inline content and ignores its url', async () => {
    const found = await stage([{ path: '/in/a', type: 'FILE', content: 'grüße\n', url: 's3://nobody/knows' }]);
    expect(await staged('/in/a')).toBe('grüße\n');
    expect(found).toEqual({ inputTypes: {}, systemLogs: [] });
  });

  it('copies files from both spellings of a file URL, with their mode', async () => {
    await writeFile(join(data, 'tool x'), '#!', { mode: 0o755 });
    await stage([
      { path: '/in/a', type: 'FILE', url: `${data}/tool x` },
      { path: '/in/b', type: 'FILE', url: `file://${data}/tool%20x` },
    ]);
    for (const path of ['in/a', 'in/b']) {
      expect(await staged(path)).toBe('#!');
      expect((await stat(join(workspace.root, path))).mode & 0o777).toBe(0o755);
    }
  });

  it('copies a directory with empty directories and inside links', async () => {
    await mkdir(join(data, 'd/sub/empty'), { recursive: true });
    await chmod(join(data, 'd/sub'), 0o750);
    await writeFile(join(data, 'd/sub/f'), 'x', { mode: 0o640 });
    await symlink('sub/f', join(data, 'd/link'));
    await stage([{ path: '/in', type: 'DIRECTORY', url: `file://${data}/d/` }]);
    expect((await readdir(join(workspace.root, 'in'), { recursive: true })).sort()).toEqual(['link', 'sub', 'sub/empty', 'sub/f']);
    expect((await stat(join(workspace.root, 'in/sub/f'))).mode & 0o777).toBe(0o640);
    expect(await readlink(join(workspace.root, 'in/link'))).toBe('sub/f');
  });

  it('refuses a directory with a link that leaves it, and shows the job nothing', async () => {
    await mkdir(join(data, 'd'));
    await symlink('/etc/passwd', join(data, 'd/link'));
    const error = await failureOf(stage([{ path: '/in', type: 'DIRECTORY', url: `${data}/d` }]));
    expect(error.retryable).toBe(false);
    expect(error.publicMessage).toMatch(/^input \/in: .*leaves the directory/);
    await expect(lstat(workspace.root)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('learns which inputs are directories', async () => {
    await mkdir(join(data, 'd'));
    await writeFile(join(data, 'f'), 'x');
    const { inputTypes, systemLogs } = await stage([
      { path: '/a', type: 'FILE', url: `${data}/d` },
      { path: '/c', type: 'FILE', url: `${data}/f` },
      { path: '/a/', type: 'FILE', url: `${data}/d` },
    ]);
    expect(inputTypes).toEqual({ 0: 'DIRECTORY', 2: 'DIRECTORY' });
    expect(systemLogs).toEqual([`input /a: its type is FILE, but ${data}/d is a directory and was staged as one`]);
    expect((await stat(join(workspace.root, 'a'))).isDirectory()).toBe(true);
  });

  it('says of a DIRECTORY that it is a file', async () => {
    await writeFile(join(data, 'f'), 'x');
    const error = await failureOf(stage([{ path: '/b', type: 'DIRECTORY', url: `file://${data}/f` }]));
    expect(error).toMatchObject({ retryable: false, publicMessage: `input /b: its type is DIRECTORY, but file://${data}/f is a file` });
  });

  it('leaves out of a directory what cannot be copied, says so, and brings the rest', async () => {
    await mkdir(join(data, 'd/sub'), { recursive: true });
    await writeFile(join(data, 'd/sub/f'), 'x');
    execFileSync('mkfifo', [join(data, 'd/sub/pipe')]);
    const { systemLogs } = await stage([{ path: '/in', type: 'DIRECTORY', url: `${data}/d` }]);
    expect(systemLogs).toEqual(['input /in: sub/pipe is a FIFO, left out']);
    expect((await readdir(join(workspace.root, 'in'), { recursive: true })).sort()).toEqual(['sub', 'sub/f']);
  });

  it('brings what a link of a directory leads to, where that is allowed', async () => {
    await mkdir(join(data, 'run'));
    await mkdir(join(data, 'archive'));
    await writeFile(join(data, 'archive/s1.fastq'), 'r');
    await symlink('../archive/s1.fastq', join(data, 'run/s1.fastq'));
    await symlink('../archive', join(data, 'run/all'));
    await stage([{ path: '/in', type: 'DIRECTORY', url: `file://${data}/run` }]);
    expect((await lstat(join(workspace.root, 'in/s1.fastq'))).isFile()).toBe(true);
    expect([await staged('/in/s1.fastq'), await staged('/in/all/s1.fastq')]).toEqual(['r', 'r']);
  });

  describe('of inputs that meet', () => {
    const directoryOf = (path: string, name: string): TesInput => ({ path, type: 'DIRECTORY', url: `file://${data}/${name}` });
    const fileOf = (path: string, name: string): TesInput => ({ path, type: 'FILE', url: `${data}/${name}` });

    beforeEach(async () => {
      await mkdir(join(data, 'd/sub'), { recursive: true });
      await mkdir(join(data, 'e'));
      for (const name of ['d/a', 'd/sub/b', 'e/b', 'e/c', 'x']) await writeFile(join(data, name), name);
    });

    it.each([
      ['the directory first', (): TesInput[] => [directoryOf('/in', 'd'), fileOf('/in/a', 'd/a'), fileOf('/in/sub/b', 'd/sub/b')]],
      ['the directory last', (): TesInput[] => [fileOf('/in/sub/b', 'd/sub/b'), fileOf('/in/a', 'd/a'), directoryOf('/in', 'd')]],
      ['a directory of the directory', (): TesInput[] => [directoryOf('/in/sub', 'd/sub'), directoryOf('/in', 'd')]],
    ])('copies the same thing once: %s', async (_, inputs) => {
      await stage(inputs());
      expect((await readdir(join(workspace.root, 'in'), { recursive: true })).sort()).toEqual(['a', 'sub', 'sub/b']);
      expect([await staged('/in/a'), await staged('/in/sub/b')]).toEqual(['d/a', 'd/sub/b']);
      expect(storage.offsets).toHaveLength(2);
    });

    it('brings what lies beside each other', async () => {
      await rm(join(data, 'e/b'));
      await stage([directoryOf('/in', 'd'), directoryOf('/in/sub', 'e'), fileOf('/in/x', 'x')]);
      expect((await readdir(join(workspace.root, 'in'), { recursive: true })).sort()).toEqual(['a', 'sub', 'sub/b', 'sub/c', 'x']);
    });

    it.each<[string, () => TesInput[], RegExp]>([
      [
        'a file',
        () => [directoryOf('/in', 'd'), fileOf('/in/a', 'x')],
        /^input \/in\/a: .*\/x would be at \/in\/a, where input \/in has .*\/d\/a$/,
      ],
      [
        'a text',
        () => [directoryOf('/in', 'd'), { path: '/in/a', type: 'FILE', content: 'd/a' }],
        /^input \/in: .*\/d\/a would be at \/in\/a, where input \/in\/a has its content$/,
      ],
      [
        'a file of another directory',
        () => [directoryOf('/in/sub', 'e'), directoryOf('/in', 'd')],
        /^input \/in\/sub: .*e\/b would be at \/in\/sub\/b, where input \/in has .*d\/sub\/b$/,
      ],
      [
        'a directory',
        () => [directoryOf('/in', 'd'), fileOf('/in/sub', 'x')],
        /^input \/in\/sub: .*\/x would be at \/in\/sub, where input \/in has .*d\/sub$/,
      ],
      [
        'a file where a directory is needed',
        () => [directoryOf('/in', 'd'), fileOf('/in/a/deep', 'x')],
        /^input \/in: .*\/d\/a would be a file at \/in\/a, where input \/in\/a\/deep needs a directory$/,
      ],
    ])('names both when they bring different things: %s', async (_, inputs, words) => {
      const error = await failureOf(stage(inputs()));
      expect(error.retryable).toBe(false);
      expect(error.publicMessage).toMatch(words);
    });
  });

  it('copies the same input once', async () => {
    await writeFile(join(data, 'f'), 'x');
    await stage([
      { path: '/in/f', type: 'FILE', url: `${data}/f` },
      { path: '/in/../in/f', type: 'FILE', url: `${data}/f` },
    ]);
    expect(storage.offsets).toEqual([0]);
  });

  it('goes on where a source broke, and gives the job every byte once', async () => {
    const text = Array.from({ length: 400_000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join('');
    await writeFile(join(data, 'f'), text);
    storage.readBreaks.push(100_000, 50_000);
    await stage([{ path: '/f', type: 'FILE', url: `${data}/f` }]);
    expect(storage.offsets).toEqual([0, 100_000, 150_000]);
    expect(await staged('/f')).toBe(text);
  });

  it('gives up after the third failure of a file, and says that it may be tried later', async () => {
    await writeFile(join(data, 'f'), 'x'.repeat(1000));
    storage.readBreaks.push(10, 10, 10);
    const error = await failureOf(stage([{ path: '/f', type: 'FILE', url: `${data}/f` }]));
    expect(storage.offsets).toEqual([0, 10, 20]);
    expect(error.publicMessage).toBe('input /f: the line broke');
    expect(error.retryable).toBe(true);
  });

  it('counts anew after 8 MiB of progress', async () => {
    const MIB = 1024 * 1024;
    await writeFile(join(data, 'f'), Buffer.alloc(40 * MIB));
    storage.readBreaks.push(9 * MIB, 9 * MIB, 9 * MIB, 9 * MIB);
    await stage([{ path: '/f', type: 'FILE', url: `${data}/f` }]);
    expect((await stat(join(workspace.root, 'f'))).size).toBe(40 * MIB);
  });

  it('tries nothing again that will stay wrong, and names the input', async () => {
    const asked = jest.spyOn(storage, 'stat');
    const error = await failureOf(stage([{ path: '/f', type: 'FILE', url: `${data}/missing` }]));
    expect(asked).toHaveBeenCalledTimes(1);
    expect(error).toMatchObject({ retryable: false, notFound: true });
    expect(error.publicMessage).toBe(`input /f: ${data}/missing cannot be read: no such file or directory`);
  });

  it('begins again with a file that is replaced while it is read, also where its line breaks', async () => {
    const [first, second] = ['1', '2'].map((digit) => digit.repeat(4 * 2 ** 20));
    await writeFile(join(data, 'big'), first ?? '');
    storage.readBreaks.push(2 ** 20);
    let isReplaced = false;
    const onProgress = ({ bytes }: TransferProgress): void => {
      if (isReplaced || bytes < 2 ** 20) return;
      isReplaced = true;
      writeFileSync(join(data, 'next'), second ?? '');
      renameSync(join(data, 'next'), join(data, 'big'));
    };
    await stage([{ path: '/in/big', type: 'FILE', url: `${data}/big` }], { ...QUICK, onProgress });
    expect(await staged('/in/big')).toBe(second);
  });

  it('begins again with a file that somebody writes into while it is read', async () => {
    await writeFile(join(data, 'big'), '1'.repeat(4 * 2 ** 20));
    const second = '2'.repeat(4 * 2 ** 20);
    let isWritten = false;
    const onProgress = (): void => {
      if (!isWritten) writeFileSync(join(data, 'big'), second);
      isWritten = true;
    };
    await stage([{ path: '/in/big', type: 'FILE', url: `${data}/big` }], { ...QUICK, onProgress });
    expect(await staged('/in/big')).toBe(second);
  });

  it('does not take a file that ends early for the whole', async () => {
    await writeFile(join(data, 'f'), 'x'.repeat(1000));
    const real = storage.stat.bind(storage);
    storage.stat = async (url, stop) => ({ ...(await real(url, stop)), sizeBytes: 2000 });
    const error = await failureOf(stage([{ path: '/f', type: 'FILE', url: `${data}/f` }]));
    expect(error.publicMessage).toContain('ended after 1000 of 2000 bytes');
    expect(error.retryable).toBe(true);
  });

  it('leaves it to the next attempt when the workspace cannot take a file', async () => {
    await writeFile(join(data, 'f'), 'x');
    workspace.write = () => Promise.reject(new TransferError('cannot write: the disk is full', { retryable: true }));
    const error = await failureOf(stage([{ path: '/f', type: 'FILE', url: `${data}/f` }]));
    expect(error).toMatchObject({ retryable: true, publicMessage: 'input /f: cannot write: the disk is full' });
  });

  it('starts from nothing when it is called again', async () => {
    await writeFile(join(data, 'f'), 'x');
    const inputs: TesInput[] = [
      { path: '/f', type: 'FILE', url: `${data}/f` },
      { path: '/g', type: 'FILE', url: `${data}/g` },
    ];
    await failureOf(stage(inputs));
    await writeFile(join(data, 'g'), 'y');
    await stage(inputs);
    expect(workspace.begun).toBe(2);
    expect([await staged('/f'), await staged('/g')]).toEqual(['x', 'y']);
  });

  it('stops when it is told to, and shows the job nothing', async () => {
    await mkdir(join(data, 'd'));
    await Promise.all(Array.from({ length: 50 }, (_, index) => writeFile(join(data, 'd', `${index}`), 'x')));
    const stop = new AbortController();
    const options = {
      ...QUICK,
      onProgress: ({ files }: TransferProgress) => {
        if (files >= 10) stop.abort();
      },
    };
    await expect(stage([{ path: '/d', type: 'DIRECTORY', url: `${data}/d` }], options, stop.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
    await expect(lstat(workspace.root)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(storage.offsets.length).toBeLessThan(50);
  });

  it('bears it that it is stopped while the workspace is still making the place', async () => {
    await writeFile(join(data, 'f'), 'x');
    const stop = new AbortController();
    const real = workspace.write.bind(workspace);
    workspace.write = async (path, mode, content, given) => {
      stop.abort();
      await new Promise((resolve) => content.once('close', resolve));
      return real(path, mode, content, given);
    };
    await expect(stage([{ path: '/f', type: 'FILE', url: `${data}/f` }], QUICK, stop.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('moves many files, never more at once than it may, and tells how far it is', async () => {
    await mkdir(join(data, 'd'));
    for (let index = 0; index < 500; index += 1) writeFileSync(join(data, 'd', `f${index}`), 'ab');
    let last: TransferProgress | undefined;
    await stage([{ path: '/d', type: 'DIRECTORY', url: `${data}/d` }], { ...QUICK, parallel: 5, onProgress: (now) => (last = now) });
    expect((await readdir(join(workspace.root, 'd'))).length).toBe(500);
    expect(storage.busiest).toBeLessThanOrEqual(5);
    expect(storage.busiest).toBeGreaterThan(1);
    expect(last).toEqual({ files: 500, bytes: 1000 });
  });
});
