import { execFileSync } from 'node:child_process';
import { chmod, link, lstat, mkdir, readFile, readdir, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { TransferError } from '../../../../src/ports/errors';
import type { StorageEntry } from '../../../../src/ports/storage-client';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { failureOf } from '../../../support/transfer-failure';
import { makeAllowedTree } from './allowed-tree';

const signal = new AbortController().signal;
/** See `AllowedTree`. */
let top: string;
let data: string;
let storage: FileStorage;

beforeEach(async () => {
  ({ top, data, storage } = await makeAllowedTree());
});
afterEach(async () => {
  await rm(top, { recursive: true });
});

const get = async (url: string): Promise<string> => (await buffer(await storage.read(url, {}, signal))).toString();
const put = (url: string, text = 'new', mode?: number): Promise<{ sizeBytes: number }> =>
  storage.write(url, Readable.from([Buffer.from(text)], { objectMode: false }), mode === undefined ? {} : { mode }, signal);
async function list(url: string): Promise<StorageEntry[]> {
  const entries: StorageEntry[] = [];
  for await (const entry of storage.list(url, signal)) entries.push(entry);
  return entries;
}
/** Of all of them at once: a rejection must not be without somebody who waits for it while another is looked at. */
const failuresOf = (works: readonly Promise<unknown>[]): Promise<TransferError[]> => Promise.all(works.map(failureOf));
/** Every way to reach a URL, refused for good, with words that name the setting where one decides. */
async function expectRefused(url: string, words = 'storage.file.allowed'): Promise<void> {
  const works = [get(url), put(url), storage.stat(url, signal), list(url), storage.mkdir(url, 0o755, signal)];
  for (const error of await failuresOf(works)) {
    expect(error.retryable).toBe(false);
    expect(error.publicMessage).toContain(words);
  }
}
const fifo = (path: string): void => void execFileSync('mkfifo', [path]);

describe('the allowed directories', () => {
  it('hold what lies below them by segments, not by letters', async () => {
    expect(await get(`${data}/secret`)).toBe('of data');
    expect(storage.refusal(`${top}/data2/secret`)).toContain('storage.file.allowed');
    await expectRefused(`${top}/data2/secret`);
    expect(storage.locations).toEqual([`file://${data}`]);
  });

  it.each(['/../outside/secret', '/x/../../outside/secret', '/./../data2/secret', '/..'])('are not left by %s', async (tail) => {
    await expectRefused(`${data}${tail}`);
    await expectRefused(`file://${data}${tail.replaceAll('..', '%2e%2e')}`);
  });

  it('allow nothing when there are none', async () => {
    storage = new FileStorage({ allowed: [] });
    await expectRefused(`${data}/secret`);
    await expectRefused(`${top}/outside/secret`);
  });

  it('must be absolute', () => {
    expect(() => new FileStorage({ allowed: ['data'] })).toThrow('storage.file.allowed');
    expect(() => new FileStorage({ allowed: [''] })).toThrow('storage.file.allowed');
  });

  it('may be links, trail a slash, be the root, and come later', async () => {
    await symlink(data, join(top, 'alias'));
    storage = new FileStorage({ allowed: [join(top, 'alias/'), join(top, 'later')] });
    expect(await get(join(top, 'alias/secret'))).toBe('of data');
    expect(await get(join(data, 'secret'))).toBe('of data');
    expect((await failureOf(put(join(top, 'later/x')))).publicMessage).toContain('does not exist');
    await mkdir(join(top, 'later'));
    await put(join(top, 'later/x'), 'late');
    expect(await get(join(top, 'later/x'))).toBe('late');
    storage = new FileStorage({ allowed: ['/'] });
    expect(await get(join(top, 'outside/secret'))).toBe('of outside');
  });
});

describe('links', () => {
  it('that stay are followed, those that leave are refused', async () => {
    await mkdir(join(data, 'sub'));
    await symlink('../secret', join(data, 'sub/inside'));
    await symlink('../../outside/secret', join(data, 'sub/out'));
    await symlink(join(top, 'outside'), join(data, 'dir'));
    expect(await get(`${data}/sub/inside`)).toBe('of data');
    const works = [get(`${data}/sub/out`), get(`${data}/dir/secret`), list(`${data}/dir`), put(`${data}/dir/new`)];
    for (const { publicMessage } of await failuresOf(works)) {
      expect(publicMessage).toContain('symbolic link');
    }
    expect(await readdir(join(top, 'outside'))).toEqual(['secret']);
  });

  it('in place of a target are replaced, never written through', async () => {
    await symlink(join(top, 'outside/secret'), join(data, 'target'));
    await symlink(join(top, 'outside/made'), join(data, 'dangling'));
    await put(`${data}/target`);
    await put(`${data}/dangling`);
    expect((await lstat(join(data, 'target'))).isFile()).toBe(true);
    expect(await readFile(join(top, 'outside/secret'), 'utf8')).toBe('of outside');
    expect(await readdir(join(top, 'outside'))).toEqual(['secret']);
  });

  it('that dangle on the way to a target make no directory elsewhere', async () => {
    await symlink(join(top, 'outside/made'), join(data, 'way'));
    await failureOf(put(`${data}/way/file`));
    await failureOf(storage.mkdir(`${data}/way`, 0o755, signal));
    expect(await readdir(join(top, 'outside'))).toEqual(['secret']);
  });

  it('swapped in while a file is being reached never lead out', async () => {
    await mkdir(join(data, 'real'));
    await writeFile(join(data, 'real/secret'), 'of data');
    const read = new AbortController();
    const swapper = (async () => {
      for (let count = 0; !read.signal.aborted || count % 2 === 1; count += 1) {
        await symlink(count % 2 === 0 ? 'real' : join(top, 'outside'), join(data, 'next'));
        await rename(join(data, 'next'), join(data, 'd'));
      }
    })();
    const seen = new Set<string>();
    // Until both sides were met, which takes longer on a busy machine.
    for (let count = 0; count < 100 || !seen.has('of data'); count += 1) {
      seen.add(await get(`${data}/d/secret`).catch((error: unknown) => (error instanceof TransferError ? 'refused' : String(error))));
      await put(`${data}/d/new`).catch((error: unknown) => {
        expect(error).toBeInstanceOf(TransferError);
      });
    }
    read.abort();
    await swapper;
    expect([...seen].filter((text) => text !== 'refused')).toEqual(['of data']);
    expect(await readdir(join(top, 'outside'))).toEqual(['secret']);
  });

  it('made here replace what was there in one step', async () => {
    await storage.symlink(`${data}/l`, 'one', signal);
    await storage.symlink(`${data}/l`, 'two', signal);
    expect(await readlink(join(data, 'l'))).toBe('two');
    expect(await readdir(data)).toEqual(['l', 'secret']);
  });

  it('that are hard do not carry a write to the other name', async () => {
    await link(join(top, 'outside/secret'), join(data, 'hard'));
    await put(`${data}/hard`);
    expect(await readFile(join(top, 'outside/secret'), 'utf8')).toBe('of outside');
  });
});

describe('what is no file', () => {
  it('is refused at once: a FIFO', async () => {
    fifo(join(data, 'fifo'));
    const works = [get(`${data}/fifo`), storage.stat(`${data}/fifo`, signal), put(`${data}/fifo`)];
    for (const error of await failuresOf(works)) {
      expect(error.retryable).toBe(false);
      expect(error.publicMessage).toContain('a FIFO');
    }
    expect((await lstat(join(data, 'fifo'))).isFIFO()).toBe(true);
  });

  // Only read: a write that was not refused would replace the machine's device. Writing is tried on the FIFO.
  it('is refused at once: a device', async () => {
    storage = new FileStorage({ allowed: ['/dev'] });
    for (const { publicMessage } of await failuresOf([get('/dev/null'), storage.stat('/dev/null', signal)])) {
      expect(publicMessage).toContain('a device');
    }
  });

  it('is refused at once: a directory read as a file', async () => {
    expect((await failureOf(get(data))).publicMessage).toContain('a directory');
  });
});

describe('writing', () => {
  it('keeps the mode, but never setuid, setgid or sticky', async () => {
    await put(`${data}/tool`, 'x', 0o7751);
    expect((await stat(join(data, 'tool'))).mode & 0o7777).toBe(0o751);
    await storage.mkdir(`${data}/d`, 0o7750, signal);
    expect((await stat(join(data, 'd'))).mode & 0o7777).toBe(0o750);
  });

  it('gives new files and directories what the umask and the directory above leave of the mode', async () => {
    const before = process.umask(0o027);
    try {
      await mkdir(join(data, 'shared'));
      await chmod(join(data, 'shared'), 0o2770);
      await storage.mkdir(`${data}/shared/d`, 0o777, signal);
      await storage.mkdir(`${data}/shared/closed`, 0o700, signal);
      await put(`${data}/shared/d/open`, 'x', 0o666);
      await put(`${data}/shared/d/closed`, 'x', 0o600);
      await put(`${data}/shared/p/any`, 'x');
    } finally {
      process.umask(before);
    }
    const modes = ['d', 'closed', 'd/open', 'd/closed', 'p', 'p/any'].map(
      async (name) => (await stat(join(data, 'shared', name))).mode & 0o7777,
    );
    expect(await Promise.all(modes)).toEqual([0o2750, 0o2700, 0o640, 0o600, 0o2750, 0o640]);
  });

  it('leaves a directory that is there as it is, with its mode and owner', async () => {
    await mkdir(join(data, 'mine'));
    await chmod(join(data, 'mine'), 0o1700);
    const before = await stat(join(data, 'mine'));
    await storage.mkdir(`${data}/mine`, 0o777, signal);
    await put(`${data}/mine/sub/f`);
    const { mode, uid, gid } = await stat(join(data, 'mine'));
    expect({ mode, uid, gid }).toEqual({ mode: before.mode, uid: before.uid, gid: before.gid });
  });

  it('shows readers the old file until the new one is whole', async () => {
    await put(`${data}/f`, 'old');
    async function* slow(): AsyncGenerator<Buffer> {
      yield Buffer.from('n');
      expect(await readFile(join(data, 'f'), 'utf8')).toBe('old');
      yield Buffer.from('ew');
    }
    await storage.write(`${data}/f`, Readable.from(slow(), { objectMode: false }), {}, signal);
    expect(await readFile(join(data, 'f'), 'utf8')).toBe('new');
  });

  it('clears away what a killed process had begun for the same file', async () => {
    let temporary: string | undefined;
    async function* peeking(): AsyncGenerator<Buffer> {
      temporary = (await readdir(data)).find((name) => name.endsWith('.part'));
      yield Buffer.from('x');
    }
    await storage.write(`${data}/f`, Readable.from(peeking(), { objectMode: false }), {}, signal);
    await writeFile(join(data, temporary ?? ''), 'left over, and longer than what comes');
    await put(`${data}/f`, 'y');
    expect(await readdir(data)).toEqual(['f', 'secret']);
    expect(await get(`${data}/f`)).toBe('y');
  });

  it('names path and reason when it fails', async () => {
    const long = `${data}/${'x'.repeat(256)}`;
    const error = await failureOf(put(long));
    expect(error.publicMessage).toContain(`${long} cannot be written: the name is too long`);
    expect((await failureOf(get(`${data}/secret/below`))).notFound).toBe(true);
  });
});
