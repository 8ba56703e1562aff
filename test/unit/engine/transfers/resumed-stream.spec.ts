import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { resumedStream } from '../../../../src/engine/transfers/resumed-stream';
import { Tries } from '../../../../src/engine/transfers/tries';
import { TransferError } from '../../../../src/ports/errors';

const tries = (): Tries => new Tries({ firstDelayMs: 1, longestDelayMs: 2 });

describe('resumedStream', () => {
  it('may be stopped before anybody listens', async () => {
    const stream = resumedStream(
      { open: () => Promise.reject(new Error('never asked')), name: 'x', isOneVersion: true },
      tries(),
      () => undefined,
      AbortSignal.abort(),
    );
    // Without a listener the error would end the process.
    expect(stream.listenerCount('error')).toBeGreaterThan(0);
    await expect(buffer(stream)).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('closes what it has opened when its reader goes away, and does not take that for a broken source', async () => {
    const source = Readable.from([Buffer.from('a'), Buffer.from('b')], { objectMode: false });
    let opened = 0;
    const open = (): Promise<Readable> => {
      opened += 1;
      return Promise.resolve(source);
    };
    const stream = resumedStream({ open, name: 'x', isOneVersion: true }, tries(), () => undefined, new AbortController().signal);
    const reading = (async () => {
      for await (const chunk of stream) {
        expect(chunk).toBeDefined();
        throw new TransferError('the reader cannot go on', { retryable: true });
      }
    })();
    await expect(reading).rejects.toThrow('the reader cannot go on');
    expect(source.destroyed).toBe(true);
    expect(opened).toBe(1);
  });

  describe('of a source that cannot tell versions apart', () => {
    const signal = new AbortController().signal;
    /** What is read at each opening, from the start; each breaks off after as many bytes as it has, but the last. */
    const read = (...openings: readonly string[]): { readonly offsets: number[]; readonly text: Promise<string> } => {
      const offsets: number[] = [];
      const open = (offset: number): Promise<Readable> => {
        const text = openings[offsets.length] ?? '';
        offsets.push(offset);
        const isLast = offsets.length === openings.length;
        function* pieces(): Generator<Buffer> {
          for (let at = offset; at < text.length; at += 3) yield Buffer.from(text.slice(at, at + 3));
          if (!isLast) throw new TransferError('the line broke', { retryable: true });
        }
        return Promise.resolve(Readable.from(pieces(), { objectMode: false }));
      };
      const stream = resumedStream({ open, name: 'x', isOneVersion: false }, tries(), () => undefined, signal);
      return { offsets, text: buffer(stream).then(String) };
    };

    it('reads from the beginning what came before, and gives it once', async () => {
      const { offsets, text } = read('0123', '0123456', '0123456789');
      expect(await text).toBe('0123456789');
      expect(offsets).toEqual([0, 0, 0]);
    });

    it.each([
      ['other bytes', '0x23456789'],
      ['fewer bytes', '012'],
    ])('begins anew where that has %s now', async (_, later) => {
      await expect(read('01234', later).text).rejects.toMatchObject({ changed: true, retryable: true });
    });
  });
});
