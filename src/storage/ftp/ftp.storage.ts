import type { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import {
  type ReadOptions,
  StorageClient,
  type StorageEntry,
  type StorageStat,
  type WriteOptions,
  type Written,
} from '../../ports/storage-client';
import { shownUrl } from '../../task/url';
import { Reach } from '../shared/reach';
import { addressOf, type FtpAddress, identityOf, joinUrl } from './ftp-address';
import { FtpConnections, type FtpSettings } from './ftp-connections';
import type { FtpContext } from './ftp-errors';
import { statOf } from './ftp-facts';
import { listBelow } from './ftp-listing';
import { lookAt } from './ftp-looking';
import { readFileOf } from './ftp-reading';
import { makeDirectories, writeFileTo } from './ftp-writing';

/** `ftp:` and `ftps:` URLs, the second with TLS that is asked for on the same port. Directories, no modes; a link is what it leads to. */
export class FtpStorage extends StorageClient {
  readonly schemes = ['ftp', 'ftps'] as const;
  protected readonly connections: FtpConnections;
  private readonly reach: Reach;

  constructor(
    protected readonly settings: FtpSettings,
    connections?: FtpConnections,
  ) {
    super();
    this.reach = new Reach(settings.reach);
    this.connections = connections ?? new FtpConnections(settings);
  }

  get locations(): readonly string[] {
    return this.settings.enabled ? ['ftp://', 'ftps://'] : [];
  }

  refusal(url: string): string | undefined {
    if (!this.settings.enabled) return `${shownUrl(url)}: the setting storage.ftp.enabled is off`;
    const at = addressOf(url);
    if ('problem' in at) return `${shownUrl(url)} ${at.problem}`;
    const { host } = at;
    const refused = this.reach.refusalOf(host);
    return refused === undefined ? undefined : `${shownUrl(url)} ${refused}`;
  }

  async stat(url: string, signal: AbortSignal): Promise<StorageStat> {
    const { at, context } = this.begun(url, 'read', signal);
    const facts = await this.connections.with(at, context, signal, (connection) => lookAt(connection, at.path));
    const stat = statOf(facts);
    if (stat) return stat;
    throw new TransferError(`${context.subject}: it is no file or directory`, { retryable: false });
  }

  override async *list(url: string, signal: AbortSignal): AsyncIterable<StorageEntry> {
    const { at, context } = this.begun(url, 'read', signal, 'listed');
    yield* listBelow(this.connections, at, context, signal);
  }

  async read(url: string, options: ReadOptions, signal: AbortSignal): Promise<Readable> {
    const { at, context } = this.begun(url, 'read', signal);
    return readFileOf(this.connections, at, options, context, signal);
  }

  async write(url: string, content: Readable, options: WriteOptions, signal: AbortSignal): Promise<Written> {
    // It may break before it is read; reading it brings the error up.
    content.on('error', () => undefined);
    const stop = (): void => void content.destroy(signal.reason as Error);
    try {
      const { at, context } = this.begun(url, 'write', signal);
      if (content.errored) throw content.errored;
      signal.addEventListener('abort', stop, { once: true });
      return await writeFileTo(this.connections, at, content, options, context, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      content.destroy();
    }
  }

  override async mkdir(url: string, _mode: number | undefined, signal: AbortSignal): Promise<void> {
    const { at, context } = this.begun(url, 'write', signal);
    await this.connections.with(at, context, signal, (connection) => makeDirectories(connection, at.path));
  }

  override identity(url: string): string {
    const at = addressOf(url);
    return 'problem' in at ? url : identityOf(at);
  }

  join(url: string, relative: string): string {
    return joinUrl(url, relative);
  }

  /** Lets go of idle connections. */
  override close(): void {
    this.connections.close();
  }

  private begun(
    url: string,
    during: 'read' | 'write',
    signal: AbortSignal,
    done = during === 'read' ? 'read' : 'written',
  ): { readonly at: FtpAddress; readonly context: FtpContext } {
    const reason = this.refusal(url);
    if (reason !== undefined) throw new TransferError(reason, { retryable: false });
    signal.throwIfAborted();
    const at = addressOf(url);
    if ('problem' in at) throw new TransferError(`${shownUrl(url)} ${at.problem}`, { retryable: false });
    return { at, context: { subject: `${shownUrl(url)} cannot be ${done}`, during } };
  }
}
