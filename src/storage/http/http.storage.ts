import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import { StorageClient } from '../../ports/storage-client';
import type { StorageStat } from '../../ports/storage-client';
import { shownUrl } from '../../task/transfer-plan';
import { receivedBody, sentBody } from './http-bodies';
import { statusError } from './http-errors';
import { discard, HttpExchange, idleError } from './http-exchange';
import type { Answer, HttpSettings } from './http-exchange';
import { IdleWatch } from './idle-watch';
import { changedSince, contentLength, contentRange, ifRange, Validators } from './validators';

export type HttpStorageSettings = HttpSettings;

/** Answers to HEAD after which a GET may still work: presigned URLs and simple servers know no HEAD. */
const HEAD_UNKNOWN: ReadonlySet<number> = new Set([400, 403, 404, 405, 501]);

/**
 * `http:` and `https:` URLs: GET, and PUT for outputs. Userinfo is sent as basic authentication; query strings stay as they are.
 * HTTP knows no directories: there is no `mkdir` and no `list`, and a directory output is PUT file by file.
 */
export class HttpStorage extends StorageClient {
  readonly schemes = ['http', 'https'] as const;
  private readonly exchange: HttpExchange;
  private readonly validators = new Validators();

  constructor(private readonly settings: HttpStorageSettings) {
    super();
    this.exchange = new HttpExchange(settings);
  }

  get locations(): readonly string[] {
    return this.settings.enabled ? ['http://', 'https://'] : [];
  }

  refusal(url: string): string | undefined {
    return this.exchange.refusal(url);
  }

  async stat(url: string, signal: AbortSignal): Promise<StorageStat> {
    const head = await this.exchange.fetch('HEAD', url, {}, signal);
    discard(head);
    if (isSuccess(head.status)) return fileOf(contentLength(head.headers));
    if (!HEAD_UNKNOWN.has(head.status)) throw statusError(head.status, `${shownUrl(url)} cannot be read`, head.headers);
    const first = await this.exchange.fetch('GET', url, { Range: 'bytes=0-0' }, signal);
    first.body.destroy();
    if (first.status === 206 || first.status === 416) return fileOf(contentRange(first.headers)?.totalBytes);
    if (isSuccess(first.status)) return fileOf(contentLength(first.headers));
    throw statusError(first.status, `${shownUrl(url)} cannot be read`, first.headers);
  }

  async read(url: string, options: { readonly offset?: number }, signal: AbortSignal): Promise<Readable> {
    const offset = options.offset ?? 0;
    const known = offset > 0 ? this.validators.get(url) : undefined;
    const headers = offset > 0 ? { Range: `bytes=${offset}-`, ...ifRange(known) } : {};
    const answer = await this.exchange.fetch('GET', url, headers, signal);
    const subject = `${shownUrl(url)} cannot be read`;
    try {
      if (offset === 0) this.validators.keep(url, answer.headers);
      else if (known && changedSince(known, answer)) {
        throw new TransferError(`${subject}: it has changed while it was being read`, { retryable: true });
      }
      // Asked for what lies behind the end of what is there: nothing is left to read.
      if (answer.status === 416 && contentRange(answer.headers)?.totalBytes === offset) {
        discard(answer);
        return Readable.from([], { objectMode: false });
      }
      const skipBytes = bytesToSkip(answer, offset, subject);
      return receivedBody(answer, { subject, idleTimeoutMs: this.settings.idleTimeoutMs, skipBytes }, signal);
    } catch (error) {
      discard(answer);
      throw error;
    }
  }

  async write(
    url: string,
    content: Readable,
    options: { readonly sizeBytes?: number; readonly mode?: number },
    signal: AbortSignal,
  ): Promise<{ readonly sizeBytes: number }> {
    const subject = `${shownUrl(url)} cannot be written`;
    const { sizeBytes } = options;
    // It may break while the connection is being made; reading it brings the error up.
    content.on('error', () => undefined);
    const idle = new IdleWatch(this.settings.idleTimeoutMs);
    let sentBytes = 0;
    const body = sentBody(content, idle, { subject, ...(sizeBytes === undefined ? {} : { sizeBytes }) }, (bytes) => (sentBytes += bytes));
    const headers = {
      'Content-Type': 'application/octet-stream',
      ...(sizeBytes === undefined ? {} : { 'Content-Length': String(sizeBytes) }),
    };
    try {
      const answer = await this.exchange.put(url, body, headers, idle, signal);
      discard(answer);
      if (answer.status >= 300 && answer.status < 400) {
        throw new TransferError(`${subject}: the server answered ${answer.status}, and uploads do not follow redirects`, {
          retryable: false,
        });
      }
      if (!isSuccess(answer.status)) throw statusError(answer.status, subject, answer.headers);
      if (sizeBytes !== undefined && sentBytes !== sizeBytes) {
        throw new TransferError(`${subject}: the server answered after ${sentBytes} of ${sizeBytes} bytes`, { retryable: true });
      }
      return { sizeBytes: sentBytes };
    } catch (error) {
      signal.throwIfAborted();
      // What broke the request first: the source, rather than the socket that was cut because of it.
      const broken = body.errored;
      if (broken && !idle.expired) throw broken;
      throw idle.expired ? idleError(subject, this.settings.idleTimeoutMs) : error;
    } finally {
      idle.end();
      body.destroy();
      content.destroy();
    }
  }

  /** Before the query, each segment percent-encoded. */
  join(url: string, relative: string): string {
    const [, path = url, query = ''] = /^([^?#]*)([^]*)$/.exec(url) ?? [];
    const tail = relative.replace(/^\/+/, '').split('/').map(encodeURIComponent).join('/');
    return `${path.replace(/\/+$/, '')}/${tail}${query}`;
  }

  /** Lets go of idle connections. */
  close(): void {
    this.exchange.close();
  }
}

/** How many bytes at the start of an answer to GET are there already; throws when the answer is not usable. */
function bytesToSkip({ status, headers }: Answer, offset: number, subject: string): number {
  // A server without ranges sends everything again.
  if (status === 200) return offset;
  if (status === 206 && offset > 0) {
    if (contentRange(headers)?.firstByte === offset) return 0;
    throw new TransferError(`${subject}: the server sent another part than the one asked for`, { retryable: false });
  }
  if (status < 400) throw new TransferError(`${subject}: the server answered ${status} where a file was asked for`, { retryable: false });
  throw statusError(status, subject, headers);
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function fileOf(sizeBytes: number | undefined): StorageStat {
  return sizeBytes === undefined ? { kind: 'file' } : { kind: 'file', sizeBytes };
}
