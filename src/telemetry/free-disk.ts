import { statfs } from 'node:fs/promises';
import { Rounds } from '../ports/rounds';

export interface FreeDiskSettings {
  /** Directories whose file systems are watched, by the settings that name them. */
  readonly directories: Readonly<Record<string, string>>;
  /** `limits.min_free_disk`, bytes. */
  readonly minFreeBytes: number;
  /** Pause between two looks, ms. */
  readonly everyMs: number;
}

/** Looks at intervals how much room there is, so that no create has to ask the file system. */
export class FreeDisk {
  private readonly freeBytes = new Map<string, number>();
  private lastSaid: string | undefined;
  private readonly rounds: Rounds;

  constructor(
    private readonly settings: FreeDiskSettings,
    /** A warning for the operator. */
    private readonly warn: (line: string, fields?: { readonly err: unknown; readonly directory: string }) => void,
  ) {
    this.rounds = new Rounds(settings.everyMs, () => this.look());
  }

  async start(): Promise<void> {
    await this.rounds.now();
    this.rounds.start();
  }

  stop(): Promise<void> {
    return this.rounds.stop();
  }

  /** Why another task cannot be taken, as a public sentence; `undefined` when there is room. */
  shortage(): string | undefined {
    const { directories, minFreeBytes } = this.settings;
    const low = Object.keys(directories).filter((setting) => (this.freeBytes.get(directories[setting] ?? '') ?? Infinity) < minFreeBytes);
    return low.length > 0 ? `less than ${minFreeBytes} bytes are free in ${low.join(' and ')} (setting limits.min_free_disk)` : undefined;
  }

  /** Free bytes by directory, as last seen. */
  get free(): ReadonlyMap<string, number> {
    return this.freeBytes;
  }

  async look(): Promise<void> {
    await Promise.all(
      Object.values(this.settings.directories).map(async (directory) => {
        try {
          const { bavail, bsize } = await statfs(directory);
          this.freeBytes.set(directory, bavail * bsize);
        } catch (error) {
          // What was seen last stays; a disk that cannot be asked is told by the store soon enough.
          this.warn('free disk space is not known', { err: error, directory });
        }
      }),
    );
    const shortage = this.shortage();
    if (shortage !== this.lastSaid) this.warn(`${shortage ?? 'there is room again'}: creates are ${shortage ? 'answered 507' : 'taken'}`);
    this.lastSaid = shortage;
  }
}
