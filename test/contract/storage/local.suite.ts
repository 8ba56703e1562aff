import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { FillFile } from '../../../src/ports/local-file';
import type { StorageClient } from '../../../src/ports/storage-client';
import type { StorageUnderTest } from './storage-client.suite';

/** What a `StorageClient` promises whose objects are files of this machine: `openFile` and `writeFile`. */
export function localFilesSuite(name: string, open: () => Promise<StorageUnderTest>): void {
  describe(`StorageClient whose objects are local files: ${name}`, () => {
    let storage: StorageUnderTest;
    let client: StorageClient & Required<Pick<StorageClient, 'openFile' | 'writeFile'>>;
    const signal = new AbortController().signal;
    const url = (path: string): string => client.join(storage.base, path);
    const fillWith =
      (text: string): FillFile =>
      async (target) => {
        await target.write(Buffer.from(text), 0);
        return Buffer.byteLength(text);
      };
    const put = (path: string, text: string): Promise<unknown> =>
      client.write(url(path), Readable.from([Buffer.from(text)], { objectMode: false }), {}, signal);
    const get = async (path: string): Promise<string> => (await buffer(await client.read(url(path), {}, signal))).toString();

    beforeEach(async () => {
      storage = await open();
      const { openFile, writeFile } = storage.client;
      if (!openFile || !writeFile) throw new Error('both abilities are needed');
      client = Object.assign(storage.client, { openFile, writeFile });
    });
    afterEach(async () => {
      await storage.close();
    });

    it.each(['ENOSPC', 'EDQUOT', 'EIO', 'ESTALE', 'ETIMEDOUT'])('is unavailable while its disk says %s', async (code) => {
      const work = client.writeFile(url('file'), {}, () => Promise.reject(Object.assign(new Error('write'), { code })), signal);
      await expect(work).rejects.toMatchObject({ unavailable: true, retryable: true, away: {} });
      expect(await storage.names()).toEqual([]);
    });

    it('lends a file, which stays what it was when its name is given to another', async () => {
      await put('file', 'the first');
      const file = await client.openFile(url('file'), signal);
      await put('file', 'the second');
      const bytes = new Uint8Array(100);
      expect(file.sizeBytes).toBe(9);
      expect(Buffer.from(bytes.subarray(0, await file.read(bytes, 4))).toString()).toBe('first');
      expect(await file.read(bytes, 9)).toBe(0);
      await file.close();
    });

    it('lends neither what is not there, nor a directory, nor what the settings forbid', async () => {
      await put('d/file', 'x');
      await expect(client.openFile(url('nothing'), signal)).rejects.toMatchObject({ notFound: true, retryable: false });
      await expect(client.openFile(url('d'), signal)).rejects.toMatchObject({ code: 'TRANSFER_ERROR', retryable: false });
      for (const work of [
        client.openFile(storage.forbidden.url, signal),
        client.writeFile(storage.forbidden.url, {}, fillWith('x'), signal),
      ]) {
        await expect(work).rejects.toMatchObject({ publicMessage: expect.stringContaining(storage.forbidden.setting) });
      }
    });

    it('has a file filled under its parents, with the mode asked for, and replaces the old one as a whole', async () => {
      await put('x/file', 'the old, longer text');
      expect(await client.writeFile(url('x/file'), { sizeBytes: 3, mode: 0o6750 }, fillWith('new'), signal)).toMatchObject({
        sizeBytes: 3,
      });
      expect(await get('x/file')).toBe('new');
      expect(await client.stat(url('x/file'), signal)).toMatchObject({ sizeBytes: 3, mode: 0o750 });
      await client.writeFile(url('y/z/file'), {}, fillWith('deep'), signal);
      expect([...(await storage.names())].sort()).toEqual(['x/file', 'y/z/file']);
    });

    it('shows the new one to nobody before it is whole', async () => {
      await put('file', 'old');
      await client.writeFile(
        url('file'),
        {},
        async (target) => {
          await target.write(Buffer.from('new'), 0);
          expect(await get('file')).toBe('old');
          return 3;
        },
        signal,
      );
      expect(await get('file')).toBe('new');
    });

    it('gives a file the time asked for, to the microsecond, whichever way it is written, else now', async () => {
      const before = Date.now();
      await client.writeFile(url('new'), {}, fillWith('x'), signal);
      expect((await client.stat(url('new'), signal)).modifiedMs).toBeGreaterThan(before - 1000);
      for (const modifiedMs of [Date.UTC(2020, 0, 2) + 3.456, Date.UTC(1969, 0, 2), 0]) {
        await client.writeFile(url('filled'), { modifiedMs }, fillWith('x'), signal);
        await client.write(url('poured'), Readable.from([Buffer.from('x')]), { modifiedMs, mode: 0o600 }, signal);
        for (const name of ['filled', 'poured']) expect((await client.stat(url(name), signal)).modifiedMs).toBeCloseTo(modifiedMs, 2);
      }
      expect(await client.stat(url('poured'), signal)).toMatchObject({ mode: 0o600 });
      for (const modifiedMs of [NaN, -1e300, 1e300]) {
        await client.writeFile(url('odd'), { modifiedMs }, fillWith('x'), signal);
        expect((await client.stat(url('odd'), signal)).modifiedMs).toBeGreaterThan(before - 1000);
      }
    });

    it('keeps a hole', async () => {
      const hole: FillFile = async (target) => {
        await target.extend(1000);
        await target.write(Buffer.from('end'), 1000);
        return 1003;
      };
      await client.writeFile(url('file'), { sizeBytes: 1003 }, hole, signal);
      expect(await get('file')).toBe(`${'\0'.repeat(1000)}end`);
    });

    it.each([
      ['fills it in vain', () => Promise.reject(new Error('no')), 3],
      ['brings another size than announced', fillWith('four'), 3],
    ])('leaves the old file, and nothing else, when who fills it %s', async (_, fill: FillFile, sizeBytes) => {
      await put('file', 'old');
      await expect(client.writeFile(url('file'), { sizeBytes }, fill, signal)).rejects.toBeInstanceOf(Error);
      expect(await get('file')).toBe('old');
      expect(await storage.names()).toEqual(['file']);
    });

    it('does not believe that a file is whole of which the file system has less, and lets the old one stand', async () => {
      await put('file', 'old');
      const half: FillFile = async (target) => {
        await target.write(Buffer.from('half'), 0);
        return 8;
      };
      const work = client.writeFile(url('file'), {}, half, signal);
      await expect(work).rejects.toMatchObject({ retryable: true, publicMessage: expect.stringContaining('4 of 8 bytes') });
      expect(await get('file')).toBe('old');
    });

    it('says in its own words that the disk is full, and keeps the words of others', async () => {
      const full = Object.assign(new Error('write'), { code: 'ENOSPC' });
      const failing = (error: Error): Promise<unknown> => client.writeFile(url('f'), {}, () => Promise.reject(error), signal);
      const failure = await failing(full).then(undefined, (error: unknown) => error);
      expect(failure).toMatchObject({ code: 'TRANSFER_ERROR', retryable: true, publicMessage: expect.stringContaining('no space left') });
      await expect(failing(failure as Error)).rejects.toBe(failure);
      expect(await storage.names()).toEqual([]);
    });

    it('puts nothing in place once it was told to stop', async () => {
      const stop = new AbortController();
      const fill: FillFile = async (target) => {
        const sizeBytes = await fillWith('text')(target);
        stop.abort();
        return sizeBytes;
      };
      await expect(client.writeFile(url('file'), {}, fill, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
      await expect(client.openFile(url('file'), stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
      expect(await storage.names()).toEqual([]);
    });
  });
}
