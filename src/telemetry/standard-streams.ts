import { Writable } from 'node:stream';

/** Lines that nobody reads are kept up to here, bytes; what comes then is left out. */
const MOST_UNREAD_BYTES = 2 ** 20;
/** What has been said is read by then, or nobody reads any more, ms. */
const LAST_WORDS_MS = 1000;

/** Whoever read stdout or stderr may go (`| head`): no reason to fail, for a program that has other things to do. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/**
 * stdout as the log writes to it. It never blocks this process: one whose reader has stopped would neither answer nor hear a signal, and what
 * writes to the descriptor itself tries for ever once a reader has gone (`flushSync` of pino's own).
 */
export function standardOutput(): Writable {
  return new Writable({
    decodeStrings: false,
    write: (line: string | Buffer, _encoding, done) => {
      if (process.stdout.writableLength < MOST_UNREAD_BYTES) process.stdout.write(line);
      done();
    },
  });
}

/** Ends this process once what it said has been read, after a second at the latest: nobody may be reading. */
export async function endProcess(code: number): Promise<never> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, LAST_WORDS_MS));
  const read = [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => (stream.writableLength === 0 ? resolve() : stream.write('', () => resolve()))),
  );
  await Promise.race([late, Promise.all(read)]);
  process.exit(code);
}
