import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { StorageEntry } from '../../../../src/ports/storage-client';
import type { FileStorage } from '../../../../src/storage/file/file.storage';
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
const put = (url: string): Promise<unknown> => storage.write(url, Readable.from([Buffer.from('new')], { objectMode: false }), {}, signal);
async function list(url: string): Promise<StorageEntry[]> {
  const entries: StorageEntry[] = [];
  for await (const entry of storage.list(url, signal)) entries.push(entry);
  return entries;
}
const fifo = (path: string): void => void execFileSync('mkfifo', [path]);

describe('links', () => {
  it('of a listed tree are kept relative; an absolute one inside is rewritten', async () => {
    await mkdir(join(data, 't/a/b'), { recursive: true });
    await writeFile(join(data, 't/file'), 'x');
    await symlink('../../file', join(data, 't/a/b/up'));
    await symlink(join(data, 't/file'), join(data, 't/a/absolute'));
    await symlink('nowhere', join(data, 't/dangling'));
    await symlink('b', join(data, 't/a/dir'));
    await symlink('dir/../../file', join(data, 't/a/crooked'));
    await symlink('.', join(data, 't/self'));
    const links = (await list(`${data}/t`)).filter((entry) => entry.kind === 'link').map((entry) => [entry.path, entry.linkTarget]);
    expect(Object.fromEntries(links)).toEqual({
      'a/b/up': '../../file',
      'a/absolute': '../file',
      dangling: 'nowhere',
      'a/dir': 'b',
      'a/crooked': '../file',
      self: '.',
    });
  });

  it.each(['../../outside/secret', '../../outside', '/etc/passwd', '/nowhere/at/all'])(
    'of a listed tree that leave the allowed directories, or lead to nothing, are refused by name: %s',
    async (target) => {
      await mkdir(join(data, 't/a'), { recursive: true });
      await symlink(target, join(data, 't/link'));
      const error = await failureOf(list(`${data}/t`));
      expect(error.retryable).toBe(false);
      expect(error.publicMessage).toContain(`${data}/t/link is a symbolic link that leaves the directory ${data}/t (to ${target})`);
      expect(error.publicMessage).toContain('storage.file.allowed');
    },
  );

  it('of a listed tree that lead to other allowed places are what is there', async () => {
    await mkdir(join(data, 'archive/deep'), { recursive: true });
    await mkdir(join(data, 't/run'), { recursive: true });
    await writeFile(join(data, 'archive/reads'), 'ACGT', { mode: 0o640 });
    await writeFile(join(data, 'archive/deep/x'), 'x');
    await symlink('../../archive/reads', join(data, 't/run/file'));
    await symlink(join(data, 'archive'), join(data, 't/all'));
    await symlink('../../secret', join(data, 'archive/deep/out'));
    await symlink('../reads', join(data, 'archive/deep/inside'));
    await symlink('../../t/run', join(data, 'archive/deep/back'));
    fifo(join(data, 'archive/pipe'));
    await symlink('../../archive/pipe', join(data, 't/run/pipe'));
    const entries = await list(`${data}/t`);
    expect(Object.fromEntries(entries.map(({ path, kind, linkTarget, reason }) => [path, linkTarget ?? reason ?? kind]))).toEqual({
      run: 'directory',
      'run/file': 'file',
      'run/pipe': 'leads to a FIFO',
      all: 'directory',
      'all/reads': 'file',
      'all/pipe': 'is a FIFO',
      'all/deep': 'directory',
      'all/deep/x': 'file',
      'all/deep/out': 'file',
      'all/deep/inside': '../reads',
      'all/deep/back': 'directory',
      'all/deep/back/file': 'file',
      'all/deep/back/pipe': 'leads to a FIFO',
    });
    const order = entries.map(({ path }) => path);
    expect(order.indexOf('all/deep')).toBeLessThan(order.indexOf('all/deep/x'));
    expect(await get(storage.join(`${data}/t`, 'all/deep/back/file'))).toBe('ACGT');
    expect(entries.find(({ path }) => path === 'run/file')).toMatchObject({ sizeBytes: 4, mode: 0o640 });
  });

  it.each([
    ['the directory above', 't/a/up', '../..', 't/a/up'],
    ['what leads back', 't/there', '../other', 'other/back'],
  ])('of a listed tree that lead in a loop are refused by name: to %s', async (_, link, target, named) => {
    await mkdir(join(data, 't/a'), { recursive: true });
    await mkdir(join(data, 'other'));
    await symlink(target, join(data, link));
    await symlink('../t', join(data, 'other/back'));
    const error = await failureOf(list(`${data}/t`));
    expect(error).toMatchObject({ retryable: false, publicMessage: expect.stringContaining('in a loop') });
    expect(error.publicMessage).toContain(`${data}/${named} is a symbolic link`);
  });

  it('of a listed tree are not followed one inside the other for ever', async () => {
    for (let depth = 0; depth < 12; depth += 1) {
      await mkdir(join(data, `d${depth}`));
      for (const name of ['one', 'two']) await symlink(`../d${depth + 1}`, join(data, `d${depth}`, name));
    }
    await mkdir(join(data, 'd12'));
    expect((await failureOf(list(`${data}/d0`))).publicMessage).toContain('one inside the other');
    expect(await list(`${data}/d9`)).toHaveLength(14);
  });
});

describe('listing', () => {
  it('shows a FIFO and a socket as such beside the rest, and never opened', async () => {
    fifo(join(data, 'fifo'));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(data, 'socket'), resolve));
    try {
      const found = (await list(data)).map(({ path, kind, reason }) => [path, kind, reason]).sort();
      expect(found).toEqual([
        ['fifo', 'other', 'is a FIFO'],
        ['secret', 'file', undefined],
        ['socket', 'other', 'is a socket'],
      ]);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('gives 10,000 files of one directory', async () => {
    await mkdir(join(data, 'many'));
    for (let index = 0; index < 10_000; index += 1) writeFileSync(join(data, 'many', `f${index}`), '');
    expect(await list(`${data}/many`)).toHaveLength(10_000);
  });

  it('goes deep without holding every directory open', async () => {
    await mkdir(join(data, ...Array.from({ length: 500 }, () => 'd')), { recursive: true });
    expect(await list(data)).toHaveLength(501);
  });

  it('shows what is not UTF-8 beside the rest, rather than give a name that is not there', async () => {
    const odd = (name: string): Buffer => Buffer.concat([Buffer.from(`${data}/${name}-`), Buffer.from([0xff])]);
    await writeFile(odd('bad'), 'x');
    await mkdir(odd('worse'));
    await symlink(odd('bad'), `${data}/link`);
    expect((await list(data)).map(({ path, kind, reason }) => [path, kind, reason]).sort()).toEqual([
      ['bad-\\xff', 'other', 'has a name that is not valid UTF-8'],
      ['link', 'other', 'is a symbolic link whose target is not valid UTF-8'],
      ['secret', 'file', undefined],
      ['worse-\\xff', 'other', 'has a name that is not valid UTF-8'],
    ]);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    await put(`${data}/a`);
    const reading = (async () => {
      for await (const entry of storage.list(data, stop.signal)) {
        expect(entry).toBeDefined();
        stop.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });
});
