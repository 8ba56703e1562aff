import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { TransferError } from '../../../src/ports/errors';
import type { PartSource, StorageClient, StoreOptions, Written } from '../../../src/ports/storage-client';
import type { StorageUnderTest } from './storage-client.suite';

/** What a `StorageClient` promises that takes objects in parts; `severalBytes` are several of them. */
export function partsSuite(name: string, open: () => Promise<StorageUnderTest>, severalBytes = 3000): void {
  /** Each byte says where it stands. */
  const CONTENT = Buffer.from(Uint8Array.from({ length: severalBytes }, (_value, at) => at % 251));
  describe(`StorageClient that takes parts: ${name}`, () => {
    let storage: StorageUnderTest;
    const signal = new AbortController().signal;
    /** Offsets of the slices that were asked for. */
    let asked: number[];
    let fault: (offset: number) => Error | undefined;
    const url = (path: string): string => storage.client.join(storage.base, path);

    beforeEach(async () => {
      storage = await open();
      asked = [];
      fault = () => undefined;
    });
    afterEach(() => storage.close());

    const sourceOf = (content: Buffer): PartSource => ({
      sizeBytes: content.length,
      slice(offset, length) {
        asked.push(offset);
        const broken = fault(offset);
        async function* bytes(): AsyncGenerator<Buffer> {
          yield await Promise.resolve(content.subarray(offset, offset + Math.ceil(length / 2)));
          if (broken) throw broken;
          yield content.subarray(offset + Math.ceil(length / 2), offset + length);
        }
        return Readable.from(bytes(), { objectMode: false });
      },
    });
    const twice: StoreOptions['repeat'] = async (request) => request().catch(request);
    const stored = (path: string, content: Buffer, stop = signal): Promise<Written> => {
      const { store } = storage.client as StorageClient & Required<Pick<StorageClient, 'store'>>;
      return store.call(storage.client, url(path), sourceOf(content), { parallel: 2, repeat: twice }, stop);
    };
    const get = async (path: string): Promise<Buffer> => buffer(await storage.client.read(url(path), {}, signal));

    it('has the whole of them in order, and says its size and version', async () => {
      for (const content of [CONTENT, CONTENT.subarray(0, 1), Buffer.alloc(0)]) {
        const written = await stored('d/file', content);
        expect(written).toMatchObject({ sizeBytes: content.length });
        expect((await storage.client.stat(url('d/file'), signal)).version).toBe(written.version);
        expect(Buffer.compare(await get('d/file'), content)).toBe(0);
      }
      expect(await storage.names()).toEqual(['d/file']);
    });

    it('has a part that broke sent again, and only that', async () => {
      let isFirst = true;
      fault = (offset) => {
        if (offset === 0 || !isFirst) return undefined;
        isFirst = false;
        return new TransferError('the line broke', { retryable: true });
      };
      await stored('file', CONTENT);
      expect(Buffer.compare(await get('file'), CONTENT)).toBe(0);
      expect(asked.length).toBe(new Set(asked).size + 1);
      expect(asked.filter((offset) => offset === 0)).toHaveLength(1);
    });

    it('keeps the old object, and nothing else, when a part cannot be sent', async () => {
      await stored('file', Buffer.from('old'));
      const broken = new TransferError('the source broke', { retryable: false });
      fault = (offset) => (offset === Math.max(...asked) && offset > 0 ? broken : undefined);
      await expect(stored('file', CONTENT)).rejects.toBe(broken);
      expect((await get('file')).toString()).toBe('old');
      expect(await storage.names()).toEqual(['file']);
    });

    it('stops when it is told to, and leaves nothing', async () => {
      const stop = new AbortController();
      fault = () => {
        stop.abort();
        return undefined;
      };
      await expect(stored('file', CONTENT, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
      expect(await storage.names()).toEqual([]);
    });
  });
}
