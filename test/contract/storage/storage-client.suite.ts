import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { TransferError } from '../../../src/ports/errors';
import { StorageRegistry } from '../../../src/ports/registries';
import type { StorageClient, StorageEntry, Written } from '../../../src/ports/storage-client';

/** One storage to try, fresh for each test. */
export interface StorageUnderTest {
  readonly client: StorageClient;
  /** URL of an empty place (a directory, where the storage knows them) that may be written to. No trailing slash. */
  readonly base: string;
  /** The same storage under narrower settings, where `client` itself forbids nothing. */
  readonly refusing?: StorageClient;
  /** A URL that the settings (of `refusing`, if there) forbid, and the setting that its refusal names. */
  readonly forbidden: { readonly url: string; readonly setting: string };
  /** Gives an object, named below `base`, this time where it really is, in ms. */
  age(name: string, modifiedMs: number): Promise<void>;
  /** Names of everything that is really there below `base`, temporary files included. */
  names(): Promise<readonly string[]>;
  close(): Promise<void>;
  /** Ends the server, so that it refuses connections; absent where there is none. */
  stopServer?(): Promise<void>;
  /** From now on the server stores half of what it gets and says that all is well; absent where there is none. */
  storeHalf?(): void;
}

export interface StorageKnows {
  readonly directories: boolean;
  /** Of its directories: `prefixes` are made of the names of objects, without modes and links; absent = as a file system has them. */
  readonly as?: 'prefixes';
  /** Names that its server refuses. */
  readonly without?: readonly string[];
}

/** What every `StorageClient` promises. */
export function storageClientSuite(name: string, open: () => Promise<StorageUnderTest>, knows: StorageKnows): void {
  describe(`StorageClient: ${name}`, () => {
    let storage: StorageUnderTest;
    const signal = new AbortController().signal;
    const url = (path: string): string => storage.client.join(storage.base, path);
    const put = (path: string, text: string, mode?: number): Promise<Written> =>
      storage.client.write(
        url(path),
        Readable.from([Buffer.from(text)], { objectMode: false }),
        { sizeBytes: Buffer.byteLength(text), ...(mode === undefined ? {} : { mode }) },
        signal,
      );
    const get = async (path: string, offset?: number): Promise<string> =>
      (await buffer(await storage.client.read(url(path), offset === undefined ? {} : { offset }, signal))).toString();
    const failureOf = async (work: Promise<unknown>): Promise<TransferError> => {
      const error: unknown = await work.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(TransferError);
      return error as TransferError;
    };

    beforeEach(async () => {
      storage = await open();
    });
    afterEach(async () => {
      await storage.close();
    });

    it('gives back what was written, and says how much that is', async () => {
      expect(await put('a.txt', 'grüße')).toMatchObject({ sizeBytes: 7 });
      expect(await get('a.txt')).toBe('grüße');
      expect(await storage.client.stat(url('a.txt'), signal)).toMatchObject({ kind: 'file', sizeBytes: 7 });
    });

    it('keeps an empty file', async () => {
      await put('empty', '');
      expect(await get('empty')).toBe('');
      expect((await storage.client.stat(url('empty'), signal)).kind).toBe('file');
    });

    it('makes the parents of what it writes', async () => {
      await put('x/y/z.txt', 'deep');
      expect(await get('x/y/z.txt')).toBe('deep');
    });

    it('streams megabytes byte for byte', async () => {
      const bytes = Buffer.alloc(5 * 1024 * 1024 + 17, 0);
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31) % 251;
      await storage.client.write(url('big'), Readable.from(inPieces(bytes)), { sizeBytes: bytes.length }, signal);
      expect(Buffer.compare(await buffer(await storage.client.read(url('big'), {}, signal)), bytes)).toBe(0);
    });

    it('takes a stream whose size nobody knows', async () => {
      const written = await storage.client.write(url('unknown'), Readable.from([Buffer.from('abc'), Buffer.from('def')]), {}, signal);
      expect(written).toMatchObject({ sizeBytes: 6 });
      expect(await get('unknown')).toBe('abcdef');
    });

    it('reads on from an offset', async () => {
      await put('r', '0123456789');
      await get('r');
      expect(await get('r', 4)).toBe('456789');
      expect(await get('r', 10)).toBe('');
    });

    const names = ['with space', 'a?b#c', 'p%41q', 'ünïcode', 'quo\'te"d', 'semi;colon&amp', '..dots', 'back\\slash', '[x]{y}*'];
    it.each(names.filter((file) => knows.without?.includes(file) !== true))('keeps the name %s', async (file) => {
      await put(`dir/${file}`, file);
      expect(await get(`dir/${file}`)).toBe(file);
      expect(await storage.names()).toContain(`dir/${file}`);
    });

    it('joins with exactly one slash', () => {
      const { client, base } = storage;
      expect(client.join(`${base}/`, 'a/b')).toBe(client.join(base, 'a/b'));
      expect(client.join(base, '/a/b')).toBe(`${base}/a/b`);
    });

    it('says that what is not there is not found, and is not worth another try', async () => {
      for (const work of [() => storage.client.stat(url('nothing'), signal), () => storage.client.read(url('nothing'), {}, signal)]) {
        const error = await failureOf(work());
        expect(error).toMatchObject({ notFound: true, retryable: false });
        expect(error.publicMessage).toContain('nothing');
      }
    });

    it('refuses what the settings forbid, by name and without trying', async () => {
      const { forbidden } = storage;
      const client = storage.refusing ?? storage.client;
      for (const use of ['read', 'write'] as const) expect(client.refusal(forbidden.url, use)).toContain(forbidden.setting);
      expect(storage.client.refusal(url('a.txt'), 'write')).toBeUndefined();
      const tries = [
        client.stat(forbidden.url, signal),
        client.read(forbidden.url, {}, signal),
        client.write(forbidden.url, Readable.from([Buffer.from('x')]), { sizeBytes: 1 }, signal),
      ];
      for (const work of tries) {
        const error = await failureOf(work);
        expect(error.retryable).toBe(false);
        expect(error.publicMessage).toContain(forbidden.setting);
      }
    });

    it('replaces an object as a whole', async () => {
      await put('file', 'the old, longer text');
      await put('file', 'new');
      expect(await get('file')).toBe('new');
      expect(await storage.names()).toEqual(['file']);
    });

    it('serves the tasks of several owners, and goes on when one of them is over', async () => {
      const registry = new StorageRegistry([storage.client]);
      const [one, other] = [registry.of({ key: 'one' }), registry.of({ key: 'other' })];
      const write = (by: StorageRegistry, file: string): Promise<Written> =>
        by.for(url(file)).write(url(file), Readable.from([Buffer.from(file)], { objectMode: false }), { sizeBytes: file.length }, signal);
      await Promise.all([write(one, 'a'), write(other, 'b')]);
      await one.close();
      await write(other, 'c');
      expect(await buffer(await other.for(url('c')).read(url('c'), {}, signal))).toEqual(Buffer.from('c'));
      await other.close();
      expect(await get('a')).toBe('a');
    });

    it('says the version of what it has stored, and tells it from one that is as long', async () => {
      const { version } = await put('file', 'one');
      expect(version).toBeDefined();
      expect(await storage.client.stat(url('file'), signal)).toMatchObject({ version });
      expect((await put('file', 'two')).version).not.toBe(version);
      expect((await storage.client.stat(url('file'), signal)).version).not.toBe(version);
    });

    it('keeps the old object, and nothing else, when the source breaks', async () => {
      await put('file', 'old');
      const broken = new TransferError('the source broke', { retryable: true });
      async function* half(): AsyncGenerator<Buffer> {
        yield await Promise.resolve(Buffer.from('ne'));
        throw broken;
      }
      const error = await failureOf(
        storage.client.write(url('file'), Readable.from(half(), { objectMode: false }), { sizeBytes: 3 }, signal),
      );
      expect(error).toBe(broken);
      expect(await get('file')).toBe('old');
      expect(await storage.names()).toEqual(['file']);
    });

    it('reports a source that breaks before it is read', async () => {
      const broken = new TransferError('the source broke', { retryable: true });
      const source = new Readable({ read: () => undefined });
      source.destroy(broken);
      const work = storage.client.write(url('file'), source, { sizeBytes: 3 }, signal);
      // Somebody must listen before the error is emitted, or it ends the process.
      expect(source.listenerCount('error')).toBeGreaterThan(0);
      expect(await failureOf(work)).toBe(broken);
      expect(await storage.names()).toEqual([]);
    });

    it('bears it that a read is stopped before anybody listens', async () => {
      await put('file', 'text');
      const stop = new AbortController();
      const stream = await storage.client.read(url('file'), {}, stop.signal);
      stop.abort();
      await new Promise((resolve) => stream.once('close', resolve));
      await expect(buffer(stream)).rejects.toMatchObject({ name: 'AbortError' });
    });

    it.each([
      ['fewer', 'abc', 5],
      ['more', 'abcdef', 5],
    ])('stores nothing when %s bytes come than were announced', async (_, text, sizeBytes) => {
      const error = await failureOf(storage.client.write(url('short'), Readable.from([Buffer.from(text)]), { sizeBytes }, signal));
      expect(error.retryable).toBe(true);
      expect(error.publicMessage).toContain('announced');
      expect(await storage.names()).toEqual([]);
    });

    it('stops a write when it is told to, and leaves nothing', async () => {
      const stop = new AbortController();
      async function* endless(): AsyncGenerator<Buffer> {
        for (let count = 0; ; count += 1) {
          if (count === 3) stop.abort();
          yield await Promise.resolve(Buffer.alloc(1000));
        }
      }
      await expect(
        storage.client.write(url('stopped'), Readable.from(endless(), { objectMode: false }), {}, stop.signal),
      ).rejects.toMatchObject({ name: 'AbortError' });
      expect(await storage.names()).toEqual([]);
    });

    it('stops a read when it is told to', async () => {
      await put('long', 'x'.repeat(3_000_000));
      const stop = new AbortController();
      const stream = await storage.client.read(url('long'), {}, stop.signal);
      const reading = (async () => {
        for await (const chunk of stream) {
          expect(chunk).toBeDefined();
          stop.abort();
        }
      })();
      await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    });

    it('starts nothing under a signal that has been given', async () => {
      const stopped = AbortSignal.abort();
      await expect(storage.client.stat(url('a'), stopped)).rejects.toMatchObject({ name: 'AbortError' });
      await expect(storage.client.read(url('a'), {}, stopped)).rejects.toMatchObject({ name: 'AbortError' });
      await expect(storage.client.write(url('a'), Readable.from([Buffer.from('x')]), {}, stopped)).rejects.toMatchObject({
        name: 'AbortError',
      });
      expect(await storage.names()).toEqual([]);
    });

    it('lets many write at once, also to one place', async () => {
      await Promise.all(Array.from({ length: 30 }, (_, index) => put(`many/${index}`, `text ${index}`)));
      await Promise.all(Array.from({ length: 10 }, () => put('same', 'the same text')));
      expect(await get('many/17')).toBe('text 17');
      expect(await get('same')).toBe('the same text');
      expect(await storage.names()).toHaveLength(31);
    });

    it('says when an object was changed last', async () => {
      await put('d/old', 'text');
      await storage.age('d/old', Date.UTC(2020, 0, 2, 3, 4, 5));
      expect(await storage.client.stat(url('d/old'), signal)).toMatchObject({ modifiedMs: Date.UTC(2020, 0, 2, 3, 4, 5) });
      if (!storage.client.list) return;
      expect(await listed(storage.client, url('d'), signal)).toMatchObject([{ path: 'old', modifiedMs: Date.UTC(2020, 0, 2, 3, 4, 5) }]);
    });

    it('reads a part', async () => {
      await put('r', '0123456789');
      const part = async (offset: number, length: number): Promise<string> =>
        (await buffer(await storage.client.read(url('r'), { offset, length }, signal))).toString();
      expect(await Promise.all([part(0, 4), part(4, 4), part(8, 4), part(3, 0)])).toEqual(['0123', '4567', '89', '']);
    });

    it('reads one version only, from whatever offset', async () => {
      await put('v', 'first');
      const { version } = await storage.client.stat(url('v'), signal);
      expect(version).toEqual(expect.any(String));
      const read = async (offset: number, wanted = version): Promise<string> =>
        (await buffer(await storage.client.read(url('v'), { offset, version: wanted ?? '' }, signal))).toString();
      expect([await read(0), await read(2)]).toEqual(['first', 'rst']);
      await put('v', 'other');
      for (const offset of [0, 2]) expect(await failureOf(read(offset))).toMatchObject({ changed: true, retryable: true });
      const now = (await storage.client.stat(url('v'), signal)).version;
      expect(now).not.toBe(version);
      expect(await read(2, now)).toBe('her');
    });

    it('does not believe a server that stores half and says that all is well', async () => {
      if (!storage.storeHalf) {
        // What is on this machine is counted as it is written, in the tests above.
        expect(storage.client.writeFile).toBeDefined();
        return;
      }
      await put('whole', '0123456789');
      storage.storeHalf();
      const error = await failureOf(put('half', '0123456789'));
      expect(error).toMatchObject({ retryable: true, away: undefined });
      expect(error.publicMessage).toContain('stored 5 of 10 bytes');
    });

    it('is unavailable while its server refuses connections, whatever is asked of it', async () => {
      await put('there', 'text');
      if (!storage.stopServer) {
        // What is on this machine is as available as the machine; its full disk is in the suite of local files.
        expect(storage.client.openFile).toBeDefined();
        return;
      }
      await storage.stopServer();
      for (const work of [() => storage.client.stat(url('there'), signal), () => get('there'), () => put('new', 'text')]) {
        expect(await failureOf(work())).toMatchObject({ unavailable: true, retryable: true, notFound: false, away: {} });
      }
    });

    if (!knows.directories) {
      it('has no ability that only directories need', () => {
        for (const ability of ['list', 'mkdir', 'symlink']) expect(storage.client).not.toHaveProperty(ability);
      });
      return;
    }

    it('lists a tree, a directory before what it holds, and keeps empty ones', async () => {
      const { client } = storage;
      await put('t/run.sh', '#!/bin/sh');
      await put('t/sub/deep/data', '12345');
      await client.mkdir?.(url('t/empty'), undefined, signal);
      const entries = await listed(client, url('t'), signal);
      const order = entries.map((entry) => entry.path);
      expect([...order].sort()).toEqual(['empty', 'run.sh', 'sub', 'sub/deep', 'sub/deep/data']);
      expect(entries.find(({ path }) => path === 'empty')).toMatchObject({ kind: 'directory' });
      expect(entries.find(({ path }) => path === 'sub/deep/data')).toMatchObject({ kind: 'file', sizeBytes: 5 });
      expect(order.indexOf('sub')).toBeLessThan(order.indexOf('sub/deep'));
      expect(order.indexOf('sub/deep')).toBeLessThan(order.indexOf('sub/deep/data'));
      expect(await client.stat(url('t'), signal)).toMatchObject({ kind: 'directory' });
      expect(await client.stat(url('t/empty'), signal)).toMatchObject({ kind: 'directory' });
    });

    it('lists nothing below an empty directory, and fails below a missing one', async () => {
      await storage.client.mkdir?.(url('e'), undefined, signal);
      expect(await listed(storage.client, url('e'), signal)).toEqual([]);
      expect(await failureOf(listed(storage.client, url('missing'), signal))).toMatchObject({ notFound: true, retryable: false });
    });

    it('keeps what a directory holds that is made again', async () => {
      await put('d/e/f', 'kept');
      await storage.client.mkdir?.(url('d/e'), undefined, signal);
      expect(await get('d/e/f')).toBe('kept');
    });

    if (knows.as === 'prefixes') return;

    it('lists a tree with modes and inside links', async () => {
      const { client } = storage;
      await put('t/run.sh', '#!/bin/sh', 0o755);
      await put('t/sub/deep/data', '12345', 0o640);
      await client.mkdir?.(url('t/empty'), 0o750, signal);
      await client.symlink?.(url('t/sub/link'), '../run.sh', signal);
      const entries = await listed(client, url('t'), signal);
      const byPath = new Map(entries.map((entry) => [entry.path, entry]));
      expect([...byPath.keys()].sort()).toEqual(['empty', 'run.sh', 'sub', 'sub/deep', 'sub/deep/data', 'sub/link']);
      expect(byPath.get('run.sh')).toMatchObject({ kind: 'file', sizeBytes: 9, mode: 0o755 });
      expect(byPath.get('sub/deep/data')).toMatchObject({ kind: 'file', sizeBytes: 5, mode: 0o640 });
      expect(byPath.get('empty')).toMatchObject({ kind: 'directory', mode: 0o750 });
      expect(byPath.get('sub/link')).toMatchObject({ kind: 'link', linkTarget: '../run.sh' });
    });

    it('leaves a directory that is there already as it is', async () => {
      await storage.client.mkdir?.(url('d/e'), 0o700, signal);
      await put('d/e/f', 'kept');
      await storage.client.mkdir?.(url('d/e'), 0o755, signal);
      expect(await storage.client.stat(url('d/e'), signal)).toMatchObject({ kind: 'directory', mode: 0o700 });
      expect(await get('d/e/f')).toBe('kept');
    });

    it('replaces neither a directory by a file nor a file by a directory', async () => {
      await put('d/file', 'x');
      expect((await failureOf(put('d', 'y'))).retryable).toBe(false);
      expect((await failureOf(put('d/file/below', 'y'))).retryable).toBe(false);
      expect(await get('d/file')).toBe('x');
    });
  });
}

async function listed(client: StorageClient, url: string, signal: AbortSignal): Promise<StorageEntry[]> {
  const entries: StorageEntry[] = [];
  for await (const entry of client.list?.(url, signal) ?? []) entries.push(entry);
  return entries;
}

function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
}
