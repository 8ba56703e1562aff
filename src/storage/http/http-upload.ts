import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { Sums } from '../../ports/storage-client';
import type { IdleWatch } from '../shared/idle-watch';

/** A server is asked before so many bytes are sent whether it wants them here (RFC 9110, section 10.1.1); asking costs less than a small body. */
const ASKED_FROM_BYTES = 1024 * 1024;
/** Servers that do not know the question do not answer it. */
const ANSWER_MS = 1000;

interface ExpectedUpload {
  readonly subject: string;
  readonly sizeBytes?: number;
  /** Opens the content once more, from its start. */
  readonly reopen?: () => Promise<Readable>;
}

/** One object on its way to a server, in as many requests as it takes: each sends it from its start. */
export class Upload {
  private sending: Sending | undefined;
  private asks: boolean;

  constructor(
    private content: Readable,
    private readonly expected: ExpectedUpload,
    readonly idle: IdleWatch,
  ) {
    this.asks = (expected.sizeBytes ?? Infinity) >= ASKED_FROM_BYTES;
    // It may break while the connection is being made; reading it brings the error up.
    content.on('error', () => undefined);
  }

  get headers(): Readonly<Record<string, string>> {
    const { sizeBytes } = this.expected;
    return {
      'Content-Type': 'application/octet-stream',
      ...(sizeBytes !== undefined && { 'Content-Length': String(sizeBytes) }),
      ...(this.asks && { Expect: '100-continue' }),
    };
  }

  /** What the next request sends, from the start; with `Expect` not before `mayBegin`, or before the server had time to answer. */
  async body(): Promise<Readable> {
    const begun = this.sending?.begun ?? false;
    this.sending?.end();
    if (begun) {
      const { subject, reopen } = this.expected;
      if (!reopen) throw new TransferError(`${subject}: the server wants again what was sent already`, { retryable: false });
      this.content.destroy();
      this.content = (await reopen()).on('error', () => undefined);
    }
    this.sending = new Sending(this.content, this.expected, this.idle);
    if (!this.asks) this.sending.mayBegin();
    return this.sending.body;
  }

  mayBegin(): void {
    this.sending?.mayBegin();
  }

  /** Whether a server that answers 417 may know an upload without the question. It is not asked again. */
  withoutAsking(): boolean {
    const asked = this.asks;
    this.asks = false;
    return asked;
  }

  /** The source's own failure, rather than that of the socket that was cut because of it. */
  get broken(): Error | null {
    return this.sending?.body.errored ?? null;
  }

  /** What was sent; throws when that was not all. */
  whole(): { readonly sizeBytes: number; readonly sums: Sums } {
    const { subject, sizeBytes } = this.expected;
    const { bytes = 0, ended = false, sum } = this.sending ?? {};
    // With a length announced a server knows the end before we have looked for more.
    if (!sum || (sizeBytes === undefined ? !ended : bytes !== sizeBytes)) {
      throw new TransferError(`${subject}: the server answered after ${bytes} of ${sizeBytes ?? 'more'} bytes`, { retryable: true });
    }
    return { sizeBytes: bytes, sums: { sha256: sum.digest('hex') } };
  }

  end(): void {
    this.idle.end();
    this.sending?.end();
    this.content.destroy();
  }
}

/** The content in one request: counted, checked against the announced size before its last byte leaves, and watched while the server takes it. */
class Sending {
  readonly sum = createHash('sha256');
  readonly body: Readable;
  bytes = 0;
  begun = false;
  ended = false;
  private readonly gate = Promise.withResolvers<undefined>();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly content: Readable,
    private readonly expected: ExpectedUpload,
    private readonly idle: IdleWatch,
  ) {
    this.timer = setTimeout(() => {
      this.mayBegin();
    }, ANSWER_MS);
    // The one who sends it looks at `errored`.
    this.body = Readable.from(this.chunks(), { objectMode: false }).on('error', () => undefined);
  }

  mayBegin(): void {
    clearTimeout(this.timer);
    this.gate.resolve(undefined);
  }

  end(): void {
    this.body.destroy();
    this.mayBegin();
  }

  private async *chunks(): AsyncGenerator<Uint8Array> {
    await this.gate.promise;
    if (this.body.destroyed) return;
    this.begun = true;
    const { sizeBytes } = this.expected;
    for await (const chunk of this.content) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('a stream of bytes is needed');
      this.bytes += chunk.length;
      if (sizeBytes !== undefined && this.bytes > sizeBytes) throw this.wrong(`at least ${this.bytes}`);
      this.sum.update(chunk);
      this.idle.arm();
      yield chunk;
      this.idle.rest();
    }
    if (sizeBytes !== undefined && this.bytes < sizeBytes) throw this.wrong(String(this.bytes));
    this.ended = true;
    // From here on the answer is awaited.
    this.idle.arm();
  }

  private wrong(bytes: string): TransferError {
    const { subject, sizeBytes } = this.expected;
    return new TransferError(`${subject}: ${bytes} bytes came where ${sizeBytes} were announced`, { retryable: true });
  }
}
