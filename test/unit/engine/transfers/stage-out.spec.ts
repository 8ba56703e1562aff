import { execFileSync } from 'node:child_process';
import { chmod, link, lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { layoutOf } from '../../../../src/backends/shared/layout';
import { mountPlan } from '../../../../src/backends/shared/mount-plan';
import { TreeWorkspace } from '../../../../src/backends/shared/tree-workspace';
import { stageOut, type TransferOptions } from '../../../../src/engine/transfers/transfers';
import { TransferError } from '../../../../src/ports/errors';
import { StorageRegistry } from '../../../../src/ports/registries';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import type { TesOutput } from '../../../../src/task/tes';
import { startFileServer } from '../../../contract/storage/http-file-server';
import { BreakingStorage } from './breaking-storage';
import { TempWorkspace } from './temp-workspace';
import { failureOf } from '../../../support/transfer-failure';
import { ANYWHERE } from '../../../support/connections';

const signal = new AbortController().signal;
const QUICK: TransferOptions = { firstDelayMs: 1, longestDelayMs: 2 };
let directory: string;
let data: string;
let workspace: TempWorkspace;
let storage: BreakingStorage;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stage-out-'));
  data = join(directory, 'data');
  await mkdir(data);
  workspace = new TempWorkspace(directory);
  await mkdir(workspace.root);
  storage = new BreakingStorage({ allowed: [data] });
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** A file that the job has made. */
async function made(path: string, text = path, mode = 0o644): Promise<void> {
  await mkdir(dirname(join(workspace.root, path)), { recursive: true });
  await writeFile(join(workspace.root, path), text);
  await chmod(join(workspace.root, path), mode);
}
async function linked(path: string, target: string): Promise<void> {
  await mkdir(dirname(join(workspace.root, path)), { recursive: true });
  await symlink(target, join(workspace.root, path));
}
/** A job's real workspace on this machine, and its directory `/work`. */
async function keptWorkspace(parent: string): Promise<{ workspace: TreeWorkspace; root: string }> {
  const plan = mountPlan({ volumes: ['/work'], executors: [] });
  const layout = layoutOf(join(parent, 'job'));
  await mkdir(layout.directory);
  const trees = new TreeWorkspace(layout, plan);
  trees.ensureTrees();
  await writeFile(layout.started, '');
  return { workspace: trees, root: join(layout.trees, plan.roots.find(({ path }) => path === '/work')?.tree ?? '') };
}
const stage = (outputs: readonly TesOutput[], options: TransferOptions = QUICK): ReturnType<typeof stageOut> =>
  stageOut({ executors: [], outputs: [...outputs] }, workspace, new StorageRegistry([storage]), options, signal);
const file = (path: string, url: string): TesOutput => ({ path, url, type: 'FILE' });
const stored = (path: string): Promise<string> => readFile(join(data, path), 'utf8');
const names = async (): Promise<string[]> => (await readdir(data, { recursive: true })).sort();
describe('stageOut', () => {
  it('stores files with their mode and lists them in the order of the request', async () => {
    await made('/out/b', 'four', 0o751);
    await made('/out/a', '');
    const { outputs, outputTypes, systemLogs } = await stage([file('/out/b', `${data}/x/b`), file('/out/a', `file://${data}/a%20a`)]);
    expect(outputs).toEqual([
      { path: '/out/b', url: `${data}/x/b`, sizeBytes: 4 },
      { path: '/out/a', url: `file://${data}/a%20a`, sizeBytes: 0 },
    ]);
    expect([outputTypes, systemLogs]).toEqual([{}, []]);
    expect(await stored('x/b')).toBe('four');
    expect((await stat(join(data, 'x/b'))).mode & 0o777).toBe(0o751);
    expect(await names()).toEqual(['a a', 'x', 'x/b']);
  });

  it('stores a FILE whose url ends in a slash in that directory, under its own name', async () => {
    await made('/out/a', 'a');
    await made('/out/d/b', 'b');
    await linked('/out/link', 'a');
    const { outputs } = await stage([
      file('/out/a', `${data}/x/`),
      file('/out/link', `file://${data}/x/`),
      { path: '/out/d', url: `${data}/y/`, type: 'DIRECTORY' },
    ]);
    expect(outputs.map(({ url }) => url)).toEqual([`${data}/x/a`, `file://${data}/x/link`, `${data}/y/b`]);
    expect(await names()).toEqual(['x', 'x/a', 'x/link', 'y', 'y/b']);
  });

  it('says in the log what is missing, and stores the rest', async () => {
    await made('/out/there');
    const { outputs, systemLogs } = await stage([file('/out/missing', `${data}/m`), file('/out/there', `${data}/t`)]);
    expect(outputs.map(({ path }) => path)).toEqual(['/out/there']);
    expect(systemLogs).toEqual(['output /out/missing: nothing is there, left out']);
  });

  it('is lost when the workspace has gone, at once or in the middle, whatever else failed', async () => {
    await made('/out/there');
    jest.spyOn(workspace, 'read').mockImplementation(async (path) => {
      await rm(workspace.root, { recursive: true });
      throw new TransferError(`${path} cannot be read`, { retryable: false });
    });
    const both = [file('/out/there', `${data}/t`), file('/out/missing', `${data}/m`)];
    expect(await failureOf(stage(both))).toMatchObject({ lost: true, retryable: true });
    expect(await failureOf(stage([file('/out/missing', `${data}/m`)]))).toMatchObject({ lost: true });
  });

  it('takes a FILE that is a directory as one, and the other way round, and says so', async () => {
    await made('/out/d/f');
    await made('/out/f');
    const { outputs, outputTypes, systemLogs } = await stage([
      file('/out/d', `${data}/d`),
      { path: '/out/f', url: `${data}/f`, type: 'DIRECTORY' },
    ]);
    expect(systemLogs).toEqual([
      'output /out/d: its type is FILE, but it is a directory and was stored as one',
      'output /out/f: its type is DIRECTORY, but it is a file and was stored as one',
    ]);
    expect(outputTypes).toEqual({ 0: 'DIRECTORY', 1: 'FILE' });
    expect(outputs.map(({ path, url }) => [path, url])).toEqual([
      ['/out/d/f', `${data}/d/f`],
      ['/out/f', `${data}/f`],
    ]);
  });

  it('stores a directory with modes and empty directories', async () => {
    await made('/out/sub/tool', 'x', 0o755);
    await mkdir(join(workspace.root, 'out/empty'));
    await chmod(join(workspace.root, 'out/empty'), 0o710);
    await stage([{ path: '/out', url: `${data}/o/`, type: 'DIRECTORY' }]);
    expect(await names()).toEqual(['o', 'o/empty', 'o/sub', 'o/sub/tool']);
    expect((await stat(join(data, 'o/empty'))).mode & 0o777).toBe(0o710);
    expect((await stat(join(data, 'o/sub/tool'))).mode & 0o777).toBe(0o755);
  });

  it('stores an empty directory, and says that it is empty', async () => {
    await mkdir(join(workspace.root, 'out'));
    const { outputs, systemLogs } = await stage([{ path: '/out', url: `${data}/o`, type: 'DIRECTORY' }]);
    expect([outputs, systemLogs]).toEqual([[], ['output /out: the directory is empty']]);
    expect(await names()).toEqual(['o']);
  });
});

describe('wildcards', () => {
  const pattern = (path: string, prefix = '/out', url = `${data}/w`): TesOutput => ({ path, path_prefix: prefix, url, type: 'FILE' });

  it('put each match below the url, without the prefix and with one slash', async () => {
    for (const path of ['/out/a.txt', '/out/b.txt', '/out/.hidden.txt', '/out/c.bam', '/out/sub/d.txt']) await made(path);
    for (const [prefix, url] of [
      ['/out', `${data}/w`],
      ['/out/', `${data}/w/`],
    ] as const) {
      const { outputs } = await stage([pattern('/out/*.txt', prefix, url)]);
      expect(outputs.map(({ path, url: at }) => [path, at])).toEqual([
        ['/out/a.txt', `${data}/w/a.txt`],
        ['/out/b.txt', `${data}/w/b.txt`],
      ]);
    }
    expect(await names()).toEqual(['w', 'w/a.txt', 'w/b.txt']);
  });

  it('understand braces, ** and a prefix above', async () => {
    for (const path of ['/out/a.bam', '/out/a.bai', '/out/x/y/b.bam', '/out/c.txt']) await made(path);
    expect((await stage([pattern('/out/*.{bam,bai}')])).outputs.map(({ path }) => path).sort()).toEqual(['/out/a.bai', '/out/a.bam']);
    const deep = await stage([pattern('/out/**/*.bam', '/')]);
    expect(deep.outputs.map(({ url }) => url).sort()).toEqual([`${data}/w/out/a.bam`, `${data}/w/out/x/y/b.bam`]);
  });

  it.each([undefined, '/out'])('that are quoted name the file itself (path_prefix %s)', async (path_prefix) => {
    await made('/out/lit*.txt', 'quoted');
    await made('/out/little.txt', 'other');
    const prefixed = path_prefix === undefined ? {} : { path_prefix };
    const { outputs } = await stage([{ ...file('/out/lit\\*.txt', `${data}/r`), ...prefixed }]);
    expect(outputs).toEqual([{ path: '/out/lit*.txt', url: `${data}/r`, sizeBytes: 6 }]);
    expect(await stored('r')).toBe('quoted');
    await made('/out/lit\\*.txt', 'literal');
    await stage([{ ...file('/out/lit\\*.txt', `${data}/r`), ...prefixed }]);
    expect(await stored('r')).toBe('literal');
  });

  it('give way to a literal name', async () => {
    await made('/out/a*.txt', 'literal');
    await made('/out/ab.txt', 'match');
    const { outputs } = await stage([pattern('/out/a*.txt')]);
    expect(outputs).toEqual([{ path: '/out/a*.txt', url: `${data}/w/a*.txt`, sizeBytes: 7 }]);
  });

  it('take matched directories whole, and each file once', async () => {
    for (const path of ['/out/r1/x', '/out/r1/deep/y', '/out/r2/x', '/out/other']) await made(path);
    expect((await stage([pattern('/out/r*')])).outputs.map(({ path }) => path)).toEqual(['/out/r1/deep/y', '/out/r1/x', '/out/r2/x']);
    expect((await stage([pattern('/out/**')])).outputs.map(({ path }) => path)).toEqual([
      '/out/other',
      '/out/r1/deep/y',
      '/out/r1/x',
      '/out/r2/x',
    ]);
  });

  it('that match nothing are a line in the log', async () => {
    await made('/out/a');
    const { outputs, systemLogs } = await stage([pattern('/out/*.txt'), pattern('/nowhere/*', '/nowhere')]);
    expect(outputs).toEqual([]);
    expect(systemLogs).toEqual(['output /out/*.txt: nothing matches, left out', 'output /nowhere/*: nothing matches, left out']);
  });
});

describe('links in outputs', () => {
  it('to a file stand for the file, also when it is an output itself', async () => {
    await made('/work/v1', 'text');
    await linked('/out/relative', '../work/v1');
    await linked('/out/absolute', '/work/v1');
    await linked('/out/twice', 'absolute');
    const { outputs } = await stage(['relative', 'absolute', 'twice'].map((name) => file(`/out/${name}`, `${data}/${name}`)));
    expect(outputs.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
      ['/out/relative', 4],
      ['/out/absolute', 4],
      ['/out/twice', 4],
    ]);
    expect((await lstat(join(data, 'twice'))).isFile()).toBe(true);
  });

  it('to a directory stand for the directory', async () => {
    await made('/work/d/f');
    await linked('/out', '/work/d');
    const { outputs, outputTypes } = await stage([file('/out', `${data}/o`)]);
    expect(outputs.map(({ path, url }) => [path, url])).toEqual([['/out/f', `${data}/o/f`]]);
    expect(outputTypes).toEqual({ 0: 'DIRECTORY' });
  });

  it('that leave the workspace are left out and named, and nothing outside is read', async () => {
    await writeFile(join(directory, 'secret'), 'secret');
    await linked('/out/up', '../../secret');
    await linked('/out/host', '/etc/hostname-of-the-host');
    await linked('/single', '/etc/hostname-of-the-host');
    await linked('/round', 'round');
    const { outputs, systemLogs } = await stage([
      { path: '/out', url: `${data}/o`, type: 'DIRECTORY' },
      file('/single', `${data}/s`),
      file('/round', `${data}/r`),
    ]);
    expect(outputs).toEqual([]);
    expect(systemLogs).toHaveLength(4);
    expect(systemLogs.join('\n')).toContain('/out/up is a link to nothing in the workspace (../../secret), left out');
    expect(await names()).toEqual(['o']);
  });

  it('inside a directory stay links where the storage knows them', async () => {
    await made('/out/f', 'text');
    await made('/out/d/g');
    await made('/work/elsewhere', 'copied');
    await linked('/out/d/up', '../f');
    await linked('/out/absolute', '/out/f');
    await linked('/out/dir', 'd');
    await linked('/out/outside', '/work/elsewhere');
    await linked('/out/outside-dir', '/work');
    const { outputs, systemLogs } = await stage([{ path: '/out', url: `${data}/o`, type: 'DIRECTORY' }]);
    expect(await readlink(join(data, 'o/d/up'))).toBe('../f');
    expect(await readlink(join(data, 'o/absolute'))).toBe('f');
    expect(await readlink(join(data, 'o/dir'))).toBe('d');
    expect((await lstat(join(data, 'o/outside'))).isFile()).toBe(true);
    expect(await stored('o/outside')).toBe('copied');
    expect(outputs.map(({ path }) => path).sort()).toEqual(['/out/absolute', '/out/d/g', '/out/d/up', '/out/f', '/out/outside']);
    expect(systemLogs).toEqual(['/out/outside-dir is a link to a directory, which cannot be kept (/work), left out']);
  });

  it('become files where the storage knows no links', async () => {
    const server = await startFileServer(data);
    const http = new HttpStorage({
      enabled: true,
      maxRedirects: 0,
      connectTimeoutMs: 10_000,
      idleTimeoutMs: 10_000,
      reach: ANYWHERE,
    });
    await made('/out/f x', 'text');
    await linked('/out/l', 'f x');
    await mkdir(join(workspace.root, 'out/empty'));
    const output: TesOutput = { path: '/out', url: `${server.url.replace('//', '//me:secret@')}/o`, type: 'DIRECTORY' };
    const { outputs } = await stageOut({ executors: [], outputs: [output] }, workspace, new StorageRegistry([http]), QUICK, signal);
    expect(outputs.map(({ url }) => url)).toEqual([`${server.url}/o/f%20x`, `${server.url}/o/l`]);
    expect(await names()).toEqual(['o', 'o/f x', 'o/l']);
    http.close();
    await server.close();
  });

  it('that are hard are files', async () => {
    await made('/out/a', 'text');
    await link(join(workspace.root, 'out/a'), join(workspace.root, 'out/b'));
    expect((await stage([{ path: '/out', url: `${data}/o`, type: 'DIRECTORY' }])).outputs).toHaveLength(2);
  });
});

describe('what cannot be stored', () => {
  it('is named and left out when it is a FIFO', async () => {
    await made('/out/f');
    execFileSync('mkfifo', [join(workspace.root, 'out/fifo')]);
    const { outputs, systemLogs } = await stage([{ path: '/out', url: `${data}/o`, type: 'DIRECTORY' }, file('/out/fifo', `${data}/fifo`)]);
    expect(outputs.map(({ path }) => path)).toEqual(['/out/f']);
    expect(systemLogs).toEqual([
      '/out/fifo is no file, directory or link, left out',
      'output /out/fifo is no file, directory or link to one, left out',
    ]);
  });

  it('is left out alone, with a line, when its name is not UTF-8', async () => {
    const trees = await keptWorkspace(directory);
    await mkdir(join(trees.root, 'd'));
    await writeFile(join(trees.root, 'd/good'), 'good');
    await writeFile(Buffer.concat([Buffer.from(join(trees.root, 'd/caf')), Buffer.from([0xe9])]), 'x');
    const outputs: TesOutput[] = [
      { path: '/work/d', url: `${data}/d`, type: 'DIRECTORY' },
      { path: '/work/d/*', path_prefix: '/work', url: `${data}/w`, type: 'FILE' },
    ];
    const staged = await stageOut({ executors: [], outputs }, trees.workspace, new StorageRegistry([storage]), QUICK, signal);
    expect(staged.outputs.map(({ path }) => path)).toEqual(['/work/d/good', '/work/d/good']);
    expect(staged.systemLogs).toEqual([
      '/work/d/caf\\xe9 has a name that is not valid UTF-8, left out',
      'output /work/d/caf\\xe9 has a name that is not valid UTF-8, left out',
    ]);
    expect(await names()).toEqual(['d', 'd/good', 'w', 'w/d', 'w/d/good']);
  });

  it('is a failure when it was asked for by name and leads to a name that is not UTF-8', async () => {
    const trees = await keptWorkspace(directory);
    await symlink(Buffer.from([0xe9]), join(trees.root, 'link'));
    await symlink('link', join(trees.root, 'second'));
    for (const path of ['/work/link', '/work/second', '/work/link/below']) {
      const staging = stageOut(
        { executors: [], outputs: [file(path, `${data}/f`)] },
        trees.workspace,
        new StorageRegistry([storage]),
        QUICK,
        signal,
      );
      expect(await failureOf(staging)).toMatchObject({ retryable: false, publicMessage: expect.stringContaining('not valid UTF-8') });
    }
  });

  it('is tried three times and then fails the whole, with output and URL but without userinfo', async () => {
    await made('/out/f');
    const away = (): TransferError => new TransferError('the server answered 503', { retryable: true });
    storage.writeBreaks.push(away(), away());
    await stage([file('/out/f', `${data}/f`)]);
    storage.writeBreaks.push(away(), away(), away());
    const error = await failureOf(stage([file('/out/f', `${data}/f2`)]));
    expect(error).toMatchObject({ retryable: true });
    expect(error.publicMessage).toBe(`output /out/f could not be stored at ${data}/f2: the server answered 503`);
    expect(await names()).toEqual(['f']);
    const nowhere = await failureOf(stage([file('/out/f', 'sftp://me:secret@host/x')]));
    expect(nowhere.publicMessage).toBe('output /out/f could not be stored at sftp://host/x: no storage is set up for sftp URLs');
  });

  it('does not keep the other outputs from being stored', async () => {
    await made('/out/a');
    await made('/out/b');
    const error = await failureOf(stage([file('/out/a', '/forbidden/a'), file('/out/b', `${data}/b`)]));
    expect(error.publicMessage).toContain('storage.file.allowed');
    expect(error.retryable).toBe(false);
    expect(await stored('b')).toBe('/out/b');
  });

  it('is a file that holds fewer bytes than it should', async () => {
    await made('/out/f', 'text');
    const real = workspace.stat.bind(workspace);
    workspace.stat = async (path) => {
      const entry = await real(path);
      return entry && { ...entry, sizeBytes: 10 };
    };
    const error = await failureOf(stage([file('/out/f', `${data}/f`)]));
    expect(error.publicMessage).toContain('4 bytes came where 10 were announced');
    expect(await names()).toEqual([]);
  });

  it('does not bring anything down when it breaks before the storage listens', async () => {
    await made('/out/f');
    const real = workspace.read.bind(workspace);
    workspace.read = async (path) => {
      const stream = await real(path);
      setImmediate(() => stream.destroy(new TransferError('the workspace is gone', { retryable: false })));
      return stream;
    };
    const write = storage.write.bind(storage);
    storage.write = async (url, content, options, stop) => {
      await new Promise((resolve) => content.once('close', resolve));
      return write(url, content, options, stop);
    };
    expect((await failureOf(stage([file('/out/f', `${data}/f`)]))).publicMessage).toContain('the workspace is gone');
  });

  it('is nothing at all once the signal is given', async () => {
    await made('/out/f');
    const stopped = AbortSignal.abort();
    await expect(
      stageOut({ executors: [], outputs: [file('/out/f', `${data}/f`)] }, workspace, new StorageRegistry([storage]), QUICK, stopped),
    ).rejects.toMatchObject({ name: 'AbortError' });
    expect(await names()).toEqual([]);
  });
});
