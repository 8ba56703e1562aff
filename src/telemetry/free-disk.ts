import { statfs } from 'node:fs/promises';

export interface FreeDiskSettings {
  /** Directories whose file systems are watched. */
  readonly directories: readonly string[];
  /** `limits.min_free_disk`, bytes. */
  readonly minFreeBytes: number;
  /** Pause between two looks, ms. */
  readonly everyMs: number;
}

/** Looks at intervals how much room there is, so that no create has to ask the file system. */
export class FreeDisk {
  private readonly freeBytes = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly settings: FreeDiskSettings,
    private readonly onError: (error: unknown, directory: string) => void,
  ) {}

  async start(): Promise<void> {
    await this.look();
    this.timer = setInterval(() => void this.look(), this.settings.everyMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Why another task cannot be taken, as a public sentence; `undefined` when there is room. */
  shortage(): string | undefined {
    const low = [...this.freeBytes.values()].some((free) => free < this.settings.minFreeBytes);
    return low ? `less than ${this.settings.minFreeBytes} bytes of disk are free (setting limits.min_free_disk)` : undefined;
  }

  /** Free bytes by directory, as last seen. */
  get free(): ReadonlyMap<string, number> {
    return this.freeBytes;
  }

  async look(): Promise<void> {
    await Promise.all(
      this.settings.directories.map(async (directory) => {
        try {
          const { bavail, bsize } = await statfs(directory);
          this.freeBytes.set(directory, bavail * bsize);
        } catch (error) {
          // What was seen last stays; a disk that cannot be asked is told by the store soon enough.
          this.onError(error, directory);
        }
      }),
    );
  }
}
