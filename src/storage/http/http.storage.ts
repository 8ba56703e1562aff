import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import { type ReadOptions, StorageClient, type StorageStat, type Sums, type WriteOptions, type Written } from '../../ports/storage-client';
import { shownUrl } from '../../task/url';
import { receivedBody } from './http-bodies';
import { isCut, statusError } from '../shared/http-errors';
import { type Answer, discard, HttpExchange, type HttpSettings } from './http-exchange';
import { Upload } from './http-upload';
import { idleError, IdleWatch } from '../shared/idle-watch';
import { changedSince, contentLength, contentRange, givenSha256, ifRange, lastModified, versionOf } from './http-versions';

export type HttpStorageSettings = HttpSettings;

/** Of what has to be made or fetched first (archives, DRS): it says nothing of the object yet. */
const ACCEPTED = 202;

interface Sent extends Written {
  readonly sums: Sums;
}

/** Answers to HEAD after which a GET may still work, beside 5xx: presigned URLs and simple servers know no HEAD. */
const HEAD_UNKNOWN: ReadonlySet<number> = new Set([400, 403, 404, 405]);

/**
 * `http:` and `https:` URLs: GET, and PUT for outputs. Userinfo is sent as basic authentication; query strings stay as they are.
 * HTTP knows no directories: there is no `mkdir` and no `list`, and a directory output is PUT file by file.
 */
export class HttpStorage extends StorageClient {
  readonly schemes = ['http', 'https'] as const;
  constructor(
    protected readonly settings: HttpStorageSettings,
    protected readonly exchange = new HttpExchange(settings),
  ) {
    super();
  }

  get locations(): readonly string[] {
    return this.settings.enabled ? ['http://', 'https://'] : [];
  }

  refusal(url: string): string | undefined {
    return this.exchange.refusal(url);
  }

  async stat(url: string, signal: AbortSignal): Promise<StorageStat> {
    const head = await this.head(url, {}, signal);
    if (head?.status === ACCEPTED) throw statusError(head.status, `${shownUrl(url)} cannot be read`, head.headers);
    // Some servers answer HEAD with no body and its length, whatever is there.
    if (head && isSuccess(head.status) && contentLength(head.headers) !== 0) return fileOf(head, contentLength(head.headers));
    if (head && !isSuccess(head.status) && !knowsNoHead(head))
      throw statusError(head.status, `${shownUrl(url)} cannot be read`, head.headers);
    const first = await this.exchange.fetch('GET', url, { Range: 'bytes=0-0' }, signal);
    first.body.destroy();
    if (first.status === ACCEPTED) throw statusError(first.status, `${shownUrl(url)} cannot be read`, first.headers);
    if (first.status === 206 || first.status === 416) return fileOf(first, contentRange(first.headers)?.totalBytes);
    if (isSuccess(first.status)) return fileOf(first, contentLength(first.headers));
    throw statusError(first.status, `${shownUrl(url)} cannot be read`, first.headers);
  }

  /** HEAD is only a probe; `undefined` where the connection was cut instead of an answer. */
  private async head(
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    asked = url,
  ): Promise<Answer | undefined> {
    try {
      const answer = await this.exchange.fetch('HEAD', url, headers, signal, asked);
      discard(answer);
      return answer;
    } catch (error) {
      if (isCut(error)) return undefined;
      throw error;
    }
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
      const { totalBytes = 0 } = contentRange(answer.headers) ?? {};
      const leastBytes = answer.status === 206 ? Math.min(totalBytes - offset, length ?? Infinity) : 0;
      const { idleTimeoutMs } = this.settings;
      const expected = { subject, idleTimeoutMs, skipBytes, leastBytes, ...(length !== undefined && { length }) };
      return receivedBody(answer, expected, signal);
    } catch (error) {
      discard(answer);
      throw error;
    }
  }

  async write(url: string, content: Readable, options: WriteOptions, signal: AbortSignal): Promise<Written> {
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
      return await this.checkStored([url, answer.url], upload.whole(), signal);
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
   * is held against what was sent. One that says nothing, or lets nobody read there, is believed; one that has nothing there is not, neither
   * under the URL nor where that redirected the upload to, nor one that is away before it could be asked.
   */
  private async checkStored([url = '', ...others]: readonly string[], sent: Sent, signal: AbortSignal): Promise<Written> {
    const subject = `${shownUrl(url)} cannot be written`;
    for (const place of new Set([url, ...others])) {
      const stored = await this.stored(place, sent, signal, url).catch((error: unknown) => {
        if (!(error instanceof TransferError)) throw error;
        if (error.retryable) throw error.reworded(`${subject}: what was stored cannot be checked: ${error.publicMessage}`);
        return sent;
      });
      if (!stored) continue;
      if (stored.sums.sha256 !== sent.sums.sha256) {
        throw new TransferError(`${subject}: what the server stored has another checksum than what was sent`, { retryable: true });
      }
      const { sizeBytes, version } = stored;
      if (sizeBytes === sent.sizeBytes) return { sizeBytes, ...(version !== undefined && { version }) };
      const stores = stored.sizeBytes > sent.sizeBytes ? 'more than' : `${stored.sizeBytes} of`;
      throw new TransferError(`${subject}: the server stored ${stores} ${sent.sizeBytes} bytes`, { retryable: true });
    }
    throw new TransferError(`${subject}: the server said that it is stored, but nothing is there`, { retryable: true });
  }

  /** What a server says that it stored; as it was sent where it does not say, `undefined` where nothing is. */
  private async stored(url: string, sent: Sent, signal: AbortSignal, asked: string): Promise<Sent | undefined> {
    const headers = { 'Cache-Control': 'no-cache' };
    const head = await this.head(url, { ...headers, 'Want-Repr-Digest': 'sha-256=1' }, signal, asked);
    if (head?.status === 200) {
      const said = { ...sent, ...fileOf(head, contentLength(head.headers)) };
      if (said.sums.sha256 !== sent.sums.sha256 || contentLength(head.headers) === sent.sizeBytes) return said;
    }
    // Some servers know no HEAD, or answer it with a length of their own, or with none.
    const first = await this.exchange.fetch('GET', url, { ...headers, Range: 'bytes=0-0' }, signal, asked);
    try {
      const failure = first.status < 400 ? undefined : statusError(first.status, `${shownUrl(url)} cannot be read`, first.headers);
      if (failure?.notFound) return undefined;
      if (failure?.away) throw failure;
      const sizeBytes = first.status === 200 ? await this.lengthOf(first, sent, signal) : contentRange(first.headers)?.totalBytes;
      return first.status < 300 ? { ...sent, ...fileOf(first, sizeBytes) } : { ...sent, ...(sizeBytes !== undefined && { sizeBytes }) };
    } finally {
      first.body.destroy();
    }
  }

  /** Counted where the server does not say it, as far as it matters. */
  private async lengthOf(whole: Answer, { sizeBytes }: Sent, signal: AbortSignal): Promise<number> {
    const announced = contentLength(whole.headers);
    if (announced !== undefined) return announced;
    const { idleTimeoutMs } = this.settings;
    const body = receivedBody(whole, { subject: `${shownUrl(whole.url)} cannot be read`, idleTimeoutMs, length: sizeBytes + 1 }, signal);
    let bytes = 0;
    for await (const chunk of body) bytes += (chunk as Uint8Array).length;
    return bytes;
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

  override carrying(headers: Readonly<Record<string, string>>): StorageClient {
    return new HttpStorage(this.settings, new HttpExchange(this.settings, undefined, headers));
  }

  /** Lets go of idle connections. */
  override close(): void {
    this.exchange.close();
  }
}

/** How many bytes at the start of an answer to GET are there already; throws when the answer is not usable. */
function bytesToSkip({ status, headers }: Answer, offset: number | undefined, subject: string): number {
  // A server without ranges sends everything again.
  if (status === 200) return offset ?? 0;
  if (status === ACCEPTED) throw statusError(status, subject, headers);
  if (status === 206 && offset !== undefined) {
    if (contentRange(headers)?.firstByte === offset) return 0;
    throw new TransferError(`${subject}: the server sent another part than the one asked for`, { retryable: false });
  }
  if (status < 400) throw new TransferError(`${subject}: the server answered ${status} where a file was asked for`, { retryable: false });
  throw statusError(status, subject, headers);
}

function knowsNoHead({ status }: Answer): boolean {
  return status >= 500 || HEAD_UNKNOWN.has(status);
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function fileOf({ headers }: Answer, sizeBytes: number | undefined): StorageStat {
  const version = versionOf(headers, sizeBytes);
  const modifiedMs = lastModified(headers);
  const sha256 = givenSha256(headers);
  return {
    kind: 'file',
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(modifiedMs !== undefined && { modifiedMs }),
    ...(version !== undefined && { version }),
    ...(sha256 !== undefined && { sums: { sha256 } }),
  };
}
