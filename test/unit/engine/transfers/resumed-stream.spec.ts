import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { resumedStream } from '../../../../src/engine/transfers/resumed-stream';
import { Tries } from '../../../../src/engine/transfers/tries';
import { TransferError } from '../../../../src/ports/errors';

const tries = (): Tries => new Tries({ firstDelayMs: 1, longestDelayMs: 2 });

describe('resumedStream', () => {
  it('may be stopped before anybody listens', async () => {
    const stream = resumedStream(
      { open: () => Promise.reject(new Error('never asked')), name: 'x' },
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
    const stream = resumedStream({ open, name: 'x' }, tries(), () => undefined, new AbortController().signal);
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
});
