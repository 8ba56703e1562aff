import { renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { chmod, link, lstat, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutOf } from '../../../../src/backends/shared/layout';
import { mountPlan } from '../../../../src/backends/shared/mount-plan';
import { TreeWorkspace } from '../../../../src/backends/shared/tree-workspace';
import { stageIn, stageOut, type TransferOptions } from '../../../../src/engine/transfers/transfers';
import { TransferError } from '../../../../src/ports/errors';
import { StorageRegistry } from '../../../../src/ports/registries';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { PartsStorage } from '../../../support/parts-storage';
import { failureOf } from '../../../support/transfer-failure';
import { temporaryDirectory } from '../../backends/temporary-directory';

const signal = new AbortController().signal;
const PLAN = mountPlan({ volumes: ['/work'], executors: [{ image: 'i', command: ['c'] }] });
const QUICK: TransferOptions = { firstDelayMs: 1, longestDelayMs: 2 };
/** Several pieces, and shorter than what is cloned where the file system can. */
const LONG = Buffer.alloc(1_000_000, 'some text ');
/** Five parts, the last one shorter. */
const PARTS = Buffer.from(Array.from({ length: 4500 }, (_value, at) => at % 251));

/** Real, but without streams: a transfer that needs one fails. */
class Storage extends FileStorage {
  override read(): never {
    throw new Error('a stream was asked for');
  }
  override write(): never {
    throw new Error('a stream was asked for');
  }
}
class LocalWorkspace extends TreeWorkspace {
  override read(): never {
    throw new Error('a stream was asked for');
  }
  override write(): never {
    throw new Error('a stream was asked for');
  }
}

describe('transfers between a file storage and a workspace of the same machine', () => {
  const directory = temporaryDirectory('local-files');
  const data = (name = ''): string => join(directory(), 'data', name);
  const inside = (name = ''): string => join(directory(), 'job/trees', PLAN.roots.find((root) => root.path === '/work')?.tree ?? '', name);
  let workspace: LocalWorkspace;
  let registry: StorageRegistry;

  beforeEach(async () => {
    await mkdir(data());
    await mkdir(join(directory(), 'job'));
    await writeFile(layoutOf(join(directory(), 'job')).started, '');
    workspace = new LocalWorkspace(layoutOf(join(directory(), 'job')), PLAN);
    registry = new StorageRegistry([new Storage({ allowed: [data()] })]);
  });

  afterEach(() => jest.restoreAllMocks());

  const bring = (name: string, options = QUICK, stop = signal): Promise<unknown> => {
    const inputs = [{ url: data(name), path: '/work/in', type: 'FILE' as const }];
    return stageIn({ executors: [], inputs }, workspace, registry, options, stop);
  };
  const store = (path: string, name: string, options = QUICK, stop = signal): ReturnType<typeof stageOut> => {
    const outputs = [{ url: data(name), path, type: 'FILE' as const }];
    return stageOut({ executors: [], outputs }, workspace, registry, options, stop);
  };

  it('pass from descriptor to descriptor, there and back, with their modes', async () => {
    await writeFile(data('from'), LONG, { mode: 0o750 });
    await bring('from');
    expect((await stat(inside('in'))).mode & 0o7777).toBe(0o777);
    expect((await readFile(inside('in'))).equals(LONG)).toBe(true);
    await chmod(inside('in'), 0o750);
    const { outputs } = await store('/work/in', 'new/to');
    expect(outputs).toEqual([{ url: data('new/to'), path: '/work/in', sizeBytes: LONG.length }]);
    expect((await readFile(data('new/to'))).equals(LONG)).toBe(true);
    expect((await stat(data('new/to'))).mode & 0o7777).toBe(0o750);
  });

  it.each([
    ['shrinks', (path: string) => truncateSync(path, 1000), '1000 bytes now'],
    ['grows', (path: string) => writeFileSync(path, 'more', { flag: 'a' }), `${LONG.length + 4} bytes now`],
    ['vanishes', (path: string) => rmSync(path), 'nothing now'],
  ])('are lost with the workspace when a file of it %s after it was listed, and nothing stands at its place', async (_, change, words) => {
    await mkdir(inside(), { recursive: true });
    await writeFile(inside('out'), LONG);
    const write = FileStorage.prototype.writeFile;
    jest.spyOn(Storage.prototype, 'writeFile').mockImplementation(async function (this: Storage, ...given) {
      change(inside('out'));
      return write.apply(this, given);
    });
    const error = await failureOf(store('/work/out', 'to'));
    expect(error).toMatchObject({ lost: true, retryable: true, publicMessage: expect.stringContaining(words) });
    expect(await readdir(data())).toEqual([]);
  });

  it('are lost with the workspace when an entry of a directory vanishes while that is listed', async () => {
    await mkdir(inside('d/sub'), { recursive: true });
    for (const name of ['a', 'b', 'sub/c']) await writeFile(inside(`d/${name}`), name);
    for (const gone of ['b', 'sub']) {
      const list = workspace.list('/work/d', signal)[Symbol.asyncIterator]();
      await list.next();
      if (gone === 'sub') await list.next().then(() => list.next());
      rmSync(inside(`d/${gone}`), { recursive: true });
      expect(await failureOf(list.next())).toMatchObject({ lost: true, retryable: true });
      await writeFile(inside('d/b'), 'b');
    }
  });

  it('copy: what the job does to its input is not done to the source', async () => {
    await writeFile(data('from'), LONG);
    await bring('from');
    await writeFile(inside('in'), 'changed', { flag: 'r+' });
    expect((await readFile(data('from'))).equals(LONG)).toBe(true);
  });

  it('tell of every piece', async () => {
    await writeFile(data('from'), LONG);
    const seen: number[] = [];
    await bring('from', { ...QUICK, onProgress: ({ bytes }) => seen.push(bytes) });
    expect(seen.at(-1)).toBe(LONG.length);
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
  });

  it('drop setuid, setgid and sticky', async () => {
    workspace.ensureTrees();
    await writeFile(inside('out'), LONG);
    await chmod(inside('out'), 0o7755);
    await store('/work/out', 'to');
    expect((await stat(data('to'))).mode & 0o7777).toBe(0o755);
  });

  it('follow no link out of the workspace and none at the target', async () => {
    await writeFile(join(directory(), 'secret'), 'secret');
    workspace.ensureTrees();
    await symlink(join(directory(), 'secret'), inside('out'));
    expect((await store('/work/out', 'to')).outputs).toEqual([]);
    await writeFile(inside('real'), 'mine');
    await symlink(join(directory(), 'secret'), data('to'));
    await store('/work/real', 'to');
    expect((await lstat(data('to'))).isFile()).toBe(true);
    expect(await readFile(join(directory(), 'secret'), 'utf8')).toBe('secret');
  });

  it('replace a stored file that has another name too, without changing that', async () => {
    await writeFile(data('to'), 'old');
    await link(data('to'), data('other'));
    workspace.ensureTrees();
    await writeFile(inside('out'), 'new');
    await store('/work/out', 'to');
    expect(await readFile(data('other'), 'utf8')).toBe('old');
    expect(await readFile(data('to'), 'utf8')).toBe('new');
  });

  it('leave nothing in the storage, and what was there, when they are stopped in the middle', async () => {
    workspace.ensureTrees();
    await writeFile(inside('out'), LONG);
    await writeFile(data('to'), 'old');
    const stop = new AbortController();
    const work = store('/work/out', 'to', { ...QUICK, onProgress: () => stop.abort() }, stop.signal);
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(data())).toEqual(['to']);
    expect(await readFile(data('to'), 'utf8')).toBe('old');
  });

  it('leave nothing of an input in the workspace when they are stopped in the middle', async () => {
    await writeFile(data('from'), LONG);
    const stop = new AbortController();
    await expect(bring('from', { ...QUICK, onProgress: () => stop.abort() }, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
    const left = await readdir(join(directory(), 'job'), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(['started']);
  });

  it('begin again with an input that somebody replaces or writes into while it is copied', async () => {
    for (const replace of [false, true]) {
      await writeFile(data('from'), '1'.repeat(1_000_000));
      const second = '2'.repeat(1_000_000);
      let isDone = false;
      const onProgress = (): void => {
        if (isDone) return;
        isDone = true;
        if (replace) writeFileSync(data('next'), second);
        if (replace) renameSync(data('next'), data('from'));
        else writeFileSync(data('from'), second);
      };
      await bring('from', { ...QUICK, onProgress });
      // One version or the other: what was replaced by name stays what it was for whoever has it open.
      expect(new Set(await readFile(inside('in'), 'utf8')).size).toBe(1);
    }
  });

  it('notice an input that shrinks, and name it', async () => {
    await writeFile(data('from'), LONG);
    const work = bring('from', { ...QUICK, onProgress: () => truncateSync(data('from'), 10) });
    await expect(work).rejects.toMatchObject({
      retryable: true,
      publicMessage: expect.stringMatching(/^input \/work\/in: .*from has changed while it was being read/),
    });
  });

  it('finish an input that is removed while it is copied, and store none that was cut short', async () => {
    await writeFile(data('from'), LONG);
    await bring('from', { ...QUICK, onProgress: () => rmSync(data('from'), { force: true }) });
    expect((await stat(inside('in'))).size).toBe(LONG.length);
    const work = store('/work/in', 'to', { ...QUICK, tries: 1, onProgress: () => truncateSync(inside('in'), 10) });
    await expect(work).rejects.toMatchObject({ retryable: true, publicMessage: expect.stringContaining('/work/in could not be stored') });
    expect(await readdir(data())).toEqual([]);
  });

  describe('to a storage that takes parts', () => {
    let parts: PartsStorage;
    beforeEach(async () => {
      parts = new PartsStorage({ allowed: [data()] });
      registry = new StorageRegistry([parts]);
      await mkdir(inside(), { recursive: true });
      await writeFile(inside('out'), PARTS);
    });

    it('send each part, and one whose request failed once more, alone', async () => {
      const asked: number[] = [];
      parts.onPart = (offset) => {
        asked.push(offset);
        if (offset === 2000 && asked.filter((one) => one === offset).length < 3) throw new TransferError('reset', { retryable: true });
      };
      expect((await store('/work/out', 'to')).outputs).toEqual([{ url: data('to'), path: '/work/out', sizeBytes: PARTS.length }]);
      expect((await readFile(data('to'))).equals(PARTS)).toBe(true);
      expect(asked.sort((a, b) => a - b)).toEqual([0, 1000, 2000, 2000, 2000, 3000, 4000]);
    });

    it('try no part more often than a transfer may, and leave nothing', async () => {
      let asked = 0;
      parts.onPart = (offset) => {
        if (offset !== 1000) return;
        asked += 1;
        throw new TransferError('reset', { retryable: true });
      };
      await expect(store('/work/out', 'to')).rejects.toMatchObject({ retryable: true });
      expect(asked).toBe(3);
      expect(await readdir(data())).toEqual([]);
    });

    it('store no mixture of what somebody writes into meanwhile', async () => {
      parts.onPart = (offset) => {
        if (offset === 4000) writeFileSync(inside('out'), Buffer.alloc(PARTS.length, 'x'));
      };
      await expect(store('/work/out', 'to')).rejects.toThrow('has changed while it was being read');
      expect(await readdir(data())).toEqual([]);
    });
  });
});
