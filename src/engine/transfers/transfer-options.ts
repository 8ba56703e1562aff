import type { StorageAway } from '../../ports/errors';
/** How transfers are carried out. Every member has a default. */
export interface TransferOptions {
  /** Files moved at once for one task; default 8. */
  readonly parallel?: number;
  /** How often one file is tried before the task's transfer fails; default 3. 8 MiB of progress starts the count anew. */
  readonly tries?: number;
  /** Back-off between two tries of one file, ms; default 500 and 10,000. The real pause is random below it. */
  readonly firstDelayMs?: number;
  readonly longestDelayMs?: number;
  /** Told after every piece of data; must be fast and must not throw. */
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Told for each file that its storage answers: it has arrived, or enough of it (`FRESH_START_BYTES`). Must be fast and must not throw. */
  readonly onReached?: (url: string) => void;
  /** Told once the tries of a file are used up because its storage is away; must be fast and must not throw. */
  readonly onAway?: (url: string, away: StorageAway) => void;
  /** In [0, 1). */
  readonly random?: () => number;
}

export interface TransferProgress {
  /** Files that have arrived, and bytes moved so far (those of a repeated try count again). */
  readonly files: number;
  readonly bytes: number;
}

/** More than the buffers on the way to a storage hold: it answers. */
export const FRESH_START_BYTES = 8 * 1024 * 1024;

/** Counts what has been moved and tells `onProgress` and `onReached`. */
export class ProgressCount {
  private files = 0;
  private bytes = 0;
  constructor(private readonly options: TransferOptions) {}

  /** To be told of the bytes of one try at a file. */
  of(url?: string): (bytes: number) => void {
    let left = FRESH_START_BYTES;
    return (bytes) => {
      this.bytes += bytes;
      if (left > 0 && (left -= bytes) <= 0) this.reached(url);
      this.tell();
    };
  }

  arrived(url?: string): void {
    this.files += 1;
    this.reached(url);
    this.tell();
  }

  private reached(url: string | undefined): void {
    if (url !== undefined) this.options.onReached?.(url);
  }

  private tell(): void {
    this.options.onProgress?.({ files: this.files, bytes: this.bytes });
  }
}
