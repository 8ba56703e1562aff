import type { Readable } from 'node:stream';
import type { Owner } from '../task/owner';
import type { FillFile, SourceFile } from './local-file';

/** Checksums that can be reckoned while bytes come, the strongest first. */
export const SUMS = ['sha512', 'sha256', 'sha1', 'md5'] as const;
/** Lower-case hexadecimal. */
export type Sums = Readonly<Partial<Record<(typeof SUMS)[number], string>>>;

export interface StorageStat {
  readonly kind: 'file' | 'directory';
  /** Absent when the server does not say. */
  readonly sizeBytes?: number;
  /** Permission bits, where the storage has them. */
  readonly mode?: number;
  /** When its bytes were last changed, where the storage says so: ms since 1970, with a fraction. */
  readonly modifiedMs?: number;
  /** Tells this version of the object from another one; opaque. Absent when the storage cannot tell them apart. */
  readonly version?: string;
  /** Of its bytes, where the storage says them by itself. */
  readonly sums?: Sums;
}

export interface ReadOptions {
  /** First byte, from 0: how a broken transfer is resumed. */
  readonly offset?: number;
  /** Bytes at most; absent = all that follow. */
  readonly length?: number;
  /** From `stat`: only bytes of this version are given, else the read fails with `TransferError.changed`. */
  readonly version?: string;
}

/** What an object is to be. */
export interface ObjectOptions {
  /** Of exactly this size; anything else is a failure, whose words say how many bytes were announced. */
  readonly sizeBytes?: number;
  /** Permission bits, where the storage has them: the most that a new object gets. Its own rules (umask, default ACL) may leave less. */
  readonly mode?: number;
  /** As in `StorageStat`, where the storage can keep it; absent = now. */
  readonly modifiedMs?: number;
}

export interface WriteOptions extends ObjectOptions {
  /** Opens the content once more, from its start: a server may want it elsewhere when it has been sent already. The storage closes it. */
  readonly reopen?: () => Promise<Readable>;
}

/** Content that can be read anywhere and more than once, so that each part of an upload is sent, and sent again, alone. */
export interface PartSource {
  readonly sizeBytes: number;
  /** Exactly these bytes of what was there at first, or it fails. Any number at once. Whoever asks destroys it. */
  slice(offset: number, length: number): Readable;
}

export interface StoreOptions extends ObjectOptions {
  /** Parts under way at once, at most. */
  readonly parallel: number;
  /** Does a request of the upload, as often as it may be tried; throws what failed last. */
  readonly repeat: <T>(request: () => Promise<T>) => Promise<T>;
}

/** What a storage has after a write. */
export interface Written {
  readonly sizeBytes: number;
  /** Of what it has now, as `stat` says it, where that is known without asking once more. */
  readonly version?: string;
}

/** One thing below a directory. `path` is relative to it, `/` between segments, never `..`, never absolute. */
export interface StorageEntry {
  readonly path: string;
  /** `other` is what no copy can be true to: a FIFO, socket or device, and a name that is not UTF-8 (then `path` shows its bytes). */
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly sizeBytes?: number;
  readonly mode?: number;
  /** As in `StorageStat`. */
  readonly modifiedMs?: number;
  /** Of a link, as written. Only links that stay inside the listed directory are given: one that leaves it is what it leads to, or throws. */
  readonly linkTarget?: string;
  /** As in `StorageStat`. */
  readonly version?: string;
  /** As in `StorageStat`. */
  readonly sums?: Sums;
  /** Of a file: where it is, when that is another URL than `join` makes. */
  readonly url?: string;
  /** Public, of an `other`: what goes on after "PATH", for example "is a FIFO". */
  readonly reason?: string;
}

/** The storages of a gateway by URL; `undefined`: nobody serves it. */
export interface OtherStorages {
  find(url: string): StorageClient | undefined;
}

/**
 * Long-term storage behind a set of URL schemes. Knows nothing of tasks. Bytes are streamed, never held.
 * A signal that is aborted ends every call, and the stream of a `read` that has resolved, with the signal's reason, whatever the call waits for:
 * a `write` its content, too. A URL is opaque; the client alone takes it apart. Failures are `TransferError` (`notFound`, `retryable`), whose public text
 * names the URL without userinfo and, for a refusal, the setting that refuses.
 */
export abstract class StorageClient {
  /** Lower case, without `:`. A bare absolute path is `file`. */
  abstract readonly schemes: readonly string[];
  /** Prefixes for service-info's `storage`, e.g. `file:///data`. Only what can really be reached. */
  abstract readonly locations: readonly string[];

  /** Why this URL can never be read (or written) for its owner, before any attempt; `undefined` = it may be tried. Pure, used at create. */
  abstract refusal(url: string, use: 'read' | 'write', owner?: Owner): string | undefined;

  /**
   * The same storage with the owner's own credentials, for one task; two owners share neither these nor a connection that was made with
   * them. Makes no connection yet. Absent: it carries nothing, and serves all in the same way. `others`: sessions of the same owner and task,
   * for a storage whose objects lie in other storages.
   */
  session?(owner: Owner, others: OtherStorages): StorageClient;
  /**
   * Where requests have headers: the same storage, whose requests carry these, too, as far as they go to the server of the URL that it is asked
   * for, and in the place of credentials that it has itself. Whoever asks closes it.
   */
  carrying?(headers: Readonly<Record<string, string>>): StorageClient;
  /** Of a session: its connections and credentials are given up. */
  close?(): void | Promise<void>;

  abstract stat(url: string, signal: AbortSignal): Promise<StorageStat>;
  /** Where the storage can tell what a directory holds: everything below it, recursively, a directory before what it holds. */
  list?(url: string, signal: AbortSignal): AsyncIterable<StorageEntry>;
  /** One version of the object, or a failure: an object that changes while it is read is never given as a mixture. */
  abstract read(url: string, options: ReadOptions, signal: AbortSignal): Promise<Readable>;
  /** Replaces the object as a whole: a reader sees the old one or the new one, never a part. Makes parents. Resolves when it is durable. */
  abstract write(url: string, content: Readable, options: WriteOptions, signal: AbortSignal): Promise<Written>;
  /** Where an object can be sent in parts beside each other: as `write`. What was begun and is given up leaves nothing behind. */
  store?(url: string, source: PartSource, options: StoreOptions, signal: AbortSignal): Promise<Written>;
  /** Where the objects are files of this machine: as `read`, but lends the open file. The caller closes it. */
  openFile?(url: string, signal: AbortSignal): Promise<SourceFile>;
  /** Where the objects are files of this machine: as `write`, but `fill` writes the bytes. What `fill` throws passes through unchanged. */
  writeFile?(url: string, options: ObjectOptions, fill: FillFile, signal: AbortSignal): Promise<Written>;
  /**
   * Where the storage knows directories: makes one (and its parents), so that empty ones are kept. One that is there stays as it is, with
   * its mode and owner; a new one gets at most `mode`, as in `write`.
   */
  mkdir?(url: string, mode: number | undefined, signal: AbortSignal): Promise<void>;
  /** Where the storage knows links. The caller has checked that the target stays inside the tree. */
  symlink?(url: string, target: string, signal: AbortSignal): Promise<void>;
  /** Two URLs with one identity name one object. By their text alone: two that name it in ways a text does not show may differ. */
  identity(url: string): string {
    return url;
  }
  /** The URL of `relative` below the directory `url`: exactly one slash between, `relative` encoded as the scheme wants it. */
  abstract join(url: string, relative: string): string;
}
