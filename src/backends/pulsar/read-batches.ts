import { BackendError } from '../../ports/errors';
import type { AmqpErrands } from './amqp-errands';

const MOST_FILES = 100;
const BATCH_MS = 60_000;

interface Wanted {
  readonly id: string;
  readonly name: string;
  readonly mostBytes: number;
  readonly resolve: (bytes: Buffer | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads small files of jobs by errands, one at a time: who asks while one is under way is served by the next, all together. */
export class ReadBatches {
  private wanted: Wanted[] = [];
  private isReading = false;

  constructor(private readonly errands: AmqpErrands) {}

  /** `undefined` when there is no such file; one byte more than asked for when it is longer. */
  async read(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<Buffer | undefined> {
    signal.throwIfAborted();
    const answer = new Promise<Buffer | undefined>((resolve, reject) => {
      this.wanted.push({ id, name, mostBytes, resolve, reject });
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    // Others may ask in the same turn.
    queueMicrotask(() => void this.next());
    return answer;
  }

  private async next(): Promise<void> {
    if (this.isReading || this.wanted.length === 0) return;
    this.isReading = true;
    // So that a whole look at many jobs, which asks for each of them, is one batch.
    await new Promise((resolve) => setImmediate(resolve));
    const batch = this.wanted.splice(0, MOST_FILES);
    try {
      const words = batch.flatMap(({ id, name, mostBytes }) => [id, name, String(mostBytes)]);
      const again = deliver(batch, await this.errands.run('read', words, AbortSignal.timeout(BATCH_MS)));
      this.wanted.unshift(...again);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.isReading = false;
      void this.next();
    }
  }
}

/** Gives those for whom there was no room. */
function deliver(batch: readonly Wanted[], answer: Buffer): readonly Wanted[] {
  const again: Wanted[] = [];
  let at = 0;
  for (const wanted of batch) {
    const end = answer.indexOf('\n', at);
    const word = end < 0 ? '' : answer.toString('latin1', at, end);
    at = end + 1;
    if (word === 'later') again.push(wanted);
    else if (word === 'none') wanted.resolve(undefined);
    else if (/^\d+$/.test(word)) {
      wanted.resolve(answer.subarray(at, at + Number(word)));
      at += Number(word);
    } else throw new BackendError('an errand of the gateway answered something else', { retryable: true });
  }
  return again;
}
