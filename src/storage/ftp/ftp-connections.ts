import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Client } from 'basic-ftp';
import { TransferError } from '../../ports/errors';
import { Reach, type ReachRule } from '../shared/reach';
import type { FtpAddress } from './ftp-address';
import { type FtpContext, ftpError, NoDataConnection, replyOf } from './ftp-errors';
import { Places } from './places';

export interface FtpLogin {
  readonly host: string;
  readonly username: string;
  readonly password: string;
}

export interface FtpSettings {
  /** Whether `ftp:` and `ftps:` URLs may be used at all. */
  readonly enabled: boolean;
  /** Of the gateway, by host. */
  readonly logins: readonly FtpLogin[];
  /** Certificates of authorities that are trusted beside the usual ones, a PEM file; absent = none. */
  readonly caFile?: string;
  /** Which addresses may be connected to. */
  readonly reach: ReachRule;
  /** To one host at once, for all tasks of the process. */
  readonly connectionsPerHost: number;
  /** A connection on which nothing moves for so long is given up, ms. */
  readonly idleTimeoutMs: number;
}

/** Who one is there. */
export interface FtpUser {
  readonly user: string;
  readonly password: string;
}

/** One connection, to one user of one server, for one that works with it at a time. */
export interface FtpConnection {
  readonly client: Client;
  /** Commands that the server says it knows beside those of RFC 959 (FEAT), in capitals. */
  readonly features: ReadonlySet<string>;
}

interface Idle {
  readonly connection: FtpConnection;
  readonly timer: NodeJS.Timeout;
}

/** RFC 1635. */
const ANONYMOUS: FtpUser = { user: 'anonymous', password: 'anonymous@' };
/** So long a connection waits for whoever needs it next, ms: less than any server waits. */
const KEPT_MS = 10_000;
/** A listing that takes more is not read, bytes. */
const MOST_LISTED = 40 * 1024 * 1024;

/** The connections of one storage. A host has a bounded number; who comes when all are taken waits in turn. */
export class FtpConnections {
  private readonly idle = new Map<string, Idle[]>();
  /** Shared by all that are bounded together. */
  readonly places: Places;
  private readonly reach: Reach;
  private isClosed = false;

  constructor(
    protected readonly settings: FtpSettings,
    places?: Places,
  ) {
    this.places = places ?? new Places(settings.connectionsPerHost);
    this.reach = new Reach(settings.reach);
  }

  /**
   * Works with a connection, and keeps it for the next one unless the work has failed with something else than a reply of the server. An
   * aborted signal closes it. The work is done once more where it was the first to find that a kept connection has gone. Throws a
   * `TransferError`, or the signal's reason.
   */
  async with<T>(at: FtpAddress, context: FtpContext, signal: AbortSignal, work: (connection: FtpConnection) => Promise<T>): Promise<T> {
    const { taken, found } = await this.begin(at, context, signal, work);
    taken.release();
    return found;
  }

  /** The same for one who goes on after the `first` thing, which may be done once more, and says when all is done. */
  async begin<T>(
    at: FtpAddress,
    context: FtpContext,
    signal: AbortSignal,
    first: (connection: FtpConnection) => Promise<T>,
  ): Promise<{ readonly taken: Taken; readonly found: T }> {
    for (let mayBeKept = true; ; mayBeKept = false) {
      const taken = await this.take(at, context, signal, mayBeKept);
      try {
        return { taken, found: await first(taken.connection) };
      } catch (error) {
        const isGone = taken.wasKept && !signal.aborted && !(error instanceof TransferError) && replyOf(error) === undefined;
        const thrown = taken.failed(error);
        if (!isGone) throw thrown;
      }
    }
  }

  private async take(at: FtpAddress, context: FtpContext, signal: AbortSignal, mayBeKept: boolean): Promise<Taken> {
    signal.throwIfAborted();
    const login = await this.userFor(at);
    const key = JSON.stringify([at.isSecure, at.host, at.port, login.user, login.password]);
    const leave = await this.places.enter(`${at.host}:${at.port}`, signal);
    try {
      const kept = mayBeKept ? this.kept(key) : undefined;
      const connection = kept ?? (await this.connect(at, login, signal));
      return new Taken(connection, kept !== undefined, context, signal, (isUsable) => {
        if (isUsable && !this.isClosed && !connection.client.closed) this.keep(key, connection);
        else connection.client.close();
        leave();
      });
    } catch (error) {
      leave();
      signal.throwIfAborted();
      throw ftpError(error, context, false);
    }
  }

  close(): void {
    this.isClosed = true;
    for (const { connection, timer } of [...this.idle.values()].flat()) {
      clearTimeout(timer);
      connection.client.close();
    }
    this.idle.clear();
  }

  /** Of the URL, of the settings, or nobody in particular. */
  protected userFor({ user, password = '', host }: FtpAddress): Promise<FtpUser> {
    if (user !== undefined) return Promise.resolve({ user, password });
    const login = this.settings.logins.find((one) => one.host.toLowerCase() === host.toLowerCase());
    return Promise.resolve(login ? { user: login.username, password: login.password } : ANONYMOUS);
  }

  private kept(key: string): FtpConnection | undefined {
    for (let idle = this.idle.get(key)?.pop(); idle; idle = this.idle.get(key)?.pop()) {
      clearTimeout(idle.timer);
      if (this.idle.get(key)?.length === 0) this.idle.delete(key);
      if (!idle.connection.client.closed) return idle.connection;
    }
    return undefined;
  }

  private keep(key: string, connection: FtpConnection): void {
    const idle: Idle = { connection, timer: setTimeout(() => this.forget(key, idle), KEPT_MS).unref() };
    const all = this.idle.get(key) ?? [];
    all.push(idle);
    this.idle.set(key, all);
  }

  private forget(key: string, idle: Idle): void {
    idle.connection.client.close();
    const rest = (this.idle.get(key) ?? []).filter((one) => one !== idle);
    if (rest.length > 0) this.idle.set(key, rest);
    else this.idle.delete(key);
  }

  private async connect(at: FtpAddress, { user, password }: FtpUser, signal: AbortSignal): Promise<FtpConnection> {
    const { Client: FtpClient } = await import('basic-ftp');
    const ca = await this.trusted();
    const host = await this.addressFor(at.host);
    signal.throwIfAborted();
    const client = new FtpClient(this.settings.idleTimeoutMs, { maxListingBytes: MOST_LISTED, allowSeparateTransferHost: false });
    const stop = (): void => client.close();
    signal.addEventListener('abort', stop, { once: true });
    const { prepareTransfer } = client;
    // Until one was made: the library keeps what has worked.
    client.prepareTransfer = (context) => prepareTransfer(context).catch((error: unknown) => Promise.reject(noData(error)));
    try {
      const tls = { host: at.host, ...(isIP(at.host) === 0 && { servername: at.host }), ...(ca && { ca }) };
      await client.access({ host, port: at.port, user, password, secure: at.isSecure, ...(at.isSecure && { secureOptions: tls }) });
      return { client, features: new Set([...(await client.features()).keys()].map((name) => name.toUpperCase())) };
    } catch (error) {
      client.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Judged before it is connected to, by every address of the name. */
  private async addressFor(host: string): Promise<string> {
    const all = isIP(host) === 0 ? await lookup(host, { all: true }) : [{ address: host }];
    for (const { address } of all) this.reach.check(address);
    return all[0]?.address ?? host;
  }

  /** Read for each connection: it may be replaced. */
  private async trusted(): Promise<string[] | undefined> {
    const { caFile } = this.settings;
    if (caFile === undefined) return undefined;
    const { rootCertificates } = await import('node:tls');
    try {
      return [...rootCertificates, await readFile(caFile, 'utf8')];
    } catch (error) {
      throw new TransferError('the file of the setting storage.ftp.ca_file cannot be read', { retryable: true, away: {}, cause: error });
    }
  }
}

/** That it was to lead to another host than the one that we know, above all. */
function noData(error: unknown): unknown {
  if (replyOf(error) !== undefined) return error;
  return new NoDataConnection('no data connection', { cause: error });
}

/** A connection that somebody works with. */
export class Taken {
  private isOver = false;
  private readonly stop = (): void => this.connection.client.close();

  constructor(
    readonly connection: FtpConnection,
    /** It has served somebody before. */
    readonly wasKept: boolean,
    private readonly context: FtpContext,
    private readonly signal: AbortSignal,
    private readonly done: (isUsable: boolean) => void,
  ) {
    signal.addEventListener('abort', this.stop, { once: true });
  }

  /** Nothing of it is under way any more. */
  release(): void {
    this.end(true);
  }

  /** It may be in the middle of something. */
  drop(): void {
    this.end(false);
  }

  /** What is to be thrown; ends it. Where nothing but single commands was under way, the next one may go on with it after a reply of the server. */
  failed(error: unknown, { isTransfer = false } = {}): unknown {
    const translated = this.signal.aborted ? (this.signal.reason as unknown) : ftpError(error, this.context, true);
    this.end(!isTransfer && replyOf(error) !== undefined);
    return translated;
  }

  private end(isUsable: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    this.signal.removeEventListener('abort', this.stop);
    this.done(isUsable);
  }
}
