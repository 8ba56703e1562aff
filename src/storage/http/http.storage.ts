import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import { StorageClient } from '../../ports/storage-client';
import type { ReadOptions, StorageStat, WriteOptions } from '../../ports/storage-client';
import { shownUrl } from '../../task/transfer-plan';
import { receivedBody } from './http-bodies';
import { statusError } from './http-errors';
import { discard, HttpExchange, idleError } from './http-exchange';
import type { Answer, HttpSettings } from './http-exchange';
import { Upload } from './http-upload';
import { IdleWatch } from './idle-watch';
import { changedSince, contentLength, contentRange, givenSha256, ifRange, lastModified, versionOf } from './http-versions';

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
    if (isSuccess(head.status)) return fileOf(head, contentLength(head.headers));
    if (!HEAD_UNKNOWN.has(head.status)) throw statusError(head.status, `${shownUrl(url)} cannot be read`, head.headers);
    const first = await this.exchange.fetch('GET', url, { Range: 'bytes=0-0' }, signal);
    first.body.destroy();
    if (first.status === 206 || first.status === 416) return fileOf(first, contentRange(first.headers)?.totalBytes);
    if (isSuccess(first.status)) return fileOf(first, contentLength(first.headers));
    throw statusError(first.status, `${shownUrl(url)} cannot be read`, first.headers);
  }

  async read(url: string, { offset = 0, length, version }: ReadOptions, signal: AbortSignal): Promise<Readable> {
    if (length === 0) return Readable.from([], { objectMode: false });
    const last = length === undefined ? '' : String(offset + length - 1);
    const headers = offset > 0 || length !== undefined ? { Range: `bytes=${offset}-${last}`, ...ifRange(version) } : {};
    const answer = await this.exchange.fetch('GET', url, headers, signal);
    const subject = `${shownUrl(url)} cannot be read`;
    try {
      if (version !== undefined && changedSince(version, answer)) {
        throw new TransferError(`${subject}: it has changed while it was being read`, { retryable: true, changed: true });
      }
      // Asked for what lies behind the end of what is there: nothing is left to read.
      if (answer.status === 416 && contentRange(answer.headers)?.totalBytes === offset) {
        discard(answer);
        return Readable.from([], { objectMode: false });
      }
      const skipBytes = bytesToSkip(answer, 'Range' in headers ? offset : undefined, subject);
      const expected = { subject, idleTimeoutMs: this.settings.idleTimeoutMs, skipBytes, ...(length !== undefined && { length }) };
      return receivedBody(answer, expected, signal);
    } catch (error) {
      discard(answer);
      throw error;
    }
  }

  async write(url: string, content: Readable, options: WriteOptions, signal: AbortSignal): Promise<{ readonly sizeBytes: number }> {
    const subject = `${shownUrl(url)} cannot be written`;
    const { sizeBytes, reopen } = options;
    const idle = new IdleWatch(this.settings.idleTimeoutMs);
    const upload = new Upload(content, { subject, ...(sizeBytes !== undefined && { sizeBytes }), ...(reopen && { reopen }) }, idle);
    try {
      const answer = await this.exchange.put(url, upload, signal);
      discard(answer);
      if (answer.status >= 300 && answer.status < 400) {
        throw new TransferError(`${subject}: the server answered ${answer.status}, which names no other place to upload to`, {
          retryable: false,
        });
      }
      if (!isSuccess(answer.status)) throw statusError(answer.status, subject, answer.headers);
      const sent = upload.whole();
      await this.checkStored(url, sent, signal);
      return { sizeBytes: sent.sizeBytes };
    } catch (error) {
      signal.throwIfAborted();
      if (idle.expired) throw idleError(subject, this.settings.idleTimeoutMs);
      throw upload.broken ?? error;
    } finally {
      upload.end();
    }
  }

  /**
   * A server may store half of what it got and say 200, for want of disk or because something between cut it. What it says of the object
   * is held against what was sent; one that says nothing, or lets nobody read there, is believed.
   */
  private async checkStored(
    url: string,
    sent: { readonly sizeBytes: number; readonly sha256: string },
    signal: AbortSignal,
  ): Promise<void> {
    const ask = async (method: 'HEAD' | 'GET', headers: Readonly<Record<string, string>>): Promise<Answer | undefined> => {
      try {
        const answer = await this.exchange.fetch(method, url, { 'Cache-Control': 'no-cache', ...headers }, signal);
        if (method === 'HEAD') discard(answer);
        else answer.body.destroy();
        return answer;
      } catch (error) {
        if (error instanceof TransferError) return undefined;
        throw error;
      }
    };
    const head = await ask('HEAD', { 'Want-Repr-Digest': 'sha-256=1' });
    if (head?.status !== 200) return;
    const subject = `${shownUrl(url)} cannot be written`;
    const sum = givenSha256(head.headers);
    if (sum !== undefined && sum !== sent.sha256) {
      throw new TransferError(`${subject}: what the server stored has another checksum than what was sent`, { retryable: true });
    }
    const said = contentLength(head.headers);
    if (said === undefined || said === sent.sizeBytes) return;
    // Some servers know no HEAD and answer it with a length of their own.
    const first = await ask('GET', { Range: 'bytes=0-0' });
    const stored = first?.status === 200 ? contentLength(first.headers) : first && contentRange(first.headers)?.totalBytes;
    if (stored === undefined || stored === sent.sizeBytes) return;
    throw new TransferError(`${subject}: the server stored ${stored} of ${sent.sizeBytes} bytes`, { retryable: true });
  }

  /** Without the fragment, which no server sees; an escape that need not be one is the character (RFC 3986 6.2.2). */
  override identity(url: string): string {
    const parsed = URL.parse(url);
    if (!parsed) return url;
    parsed.hash = '';
    return parsed.href.replace(/%[0-9a-f]{2}/gi, (escape) => {
      const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
      return /[\w.~-]/.test(character) ? character : escape.toUpperCase();
    });
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
function bytesToSkip({ status, headers }: Answer, offset: number | undefined, subject: string): number {
  // A server without ranges sends everything again.
  if (status === 200) return offset ?? 0;
  if (status === 206 && offset !== undefined) {
    if (contentRange(headers)?.firstByte === offset) return 0;
    throw new TransferError(`${subject}: the server sent another part than the one asked for`, { retryable: false });
  }
  if (status < 400) throw new TransferError(`${subject}: the server answered ${status} where a file was asked for`, { retryable: false });
  throw statusError(status, subject, headers);
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function fileOf({ headers }: Answer, sizeBytes: number | undefined): StorageStat {
  const version = versionOf(headers, sizeBytes);
  const modifiedMs = lastModified(headers);
  return {
    kind: 'file',
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(modifiedMs !== undefined && { modifiedMs }),
    ...(version !== undefined && { version }),
  };
}
