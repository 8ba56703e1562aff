import { promises as fs } from 'node:fs';
import type { AuthenticatorContext } from '../../ports/adapter';
import { readHtpasswd } from './users';

/** Between two looks at whether it has changed, ms. */
const LOOK_MS = 1000;
/** Some hundred thousand users; a larger file is none of passwords. */
const MOST_BYTES = 64 * 2 ** 20;
/** Faults of lines that one line of the log names. */
const NAMED = 5;

/** The hashes in a file that others write, read again when it has changed. What was read last goes on while it cannot be read. */
export class HtpasswdFile {
  private read: { readonly version: string; readonly hashes: ReadonlyMap<string, string> } | undefined;
  private looked = -Infinity;
  private looking: Promise<void> | undefined;
  private trouble: string | undefined;

  constructor(
    private readonly path: string,
    private readonly log: AuthenticatorContext['log'],
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** `hashes` would look at no file. */
  get isFresh(): boolean {
    return this.read !== undefined && this.now() - this.looked < LOOK_MS;
  }

  /** Rejects with the file system's error when it could never be read. The same map as long as the file is the same. */
  async hashes(): Promise<ReadonlyMap<string, string>> {
    if (!this.isFresh) {
      this.looking ??= this.look().finally(() => (this.looking = undefined));
      await this.looking;
    }
    return this.read?.hashes ?? new Map<string, string>();
  }

  private async look(): Promise<void> {
    try {
      // Looked at before it is read: what changes meanwhile is another version at the next look.
      const { size, ino, ctimeNs } = await fs.stat(this.path, { bigint: true });
      const version = `${ino} ${size} ${ctimeNs}`;
      if (version !== this.read?.version) this.take(version, await this.text(size));
      if (this.trouble !== undefined) this.log('warn', 'the htpasswd file can be read again', { file: this.path });
      this.trouble = undefined;
    } catch (error) {
      if (!this.read) throw error;
      const { message } = error as Error;
      if (message !== this.trouble)
        this.log('error', 'the htpasswd file cannot be read: the users of its last version go on', { file: this.path, reason: message });
      this.trouble = message;
    } finally {
      this.looked = this.now();
    }
  }

  private async text(size: bigint): Promise<string> {
    if (size > MOST_BYTES) throw new Error(`${this.path} is larger than ${MOST_BYTES} bytes`);
    return fs.readFile(this.path, 'utf8');
  }

  private take(version: string, text: string): void {
    const { hashes, faults } = readHtpasswd(text);
    this.read = { version, hashes };
    this.log('info', `the htpasswd file has ${hashes.size} users`, { file: this.path });
    if (faults.length > 0)
      this.log('warn', `${faults.length} lines of the htpasswd file let nobody in: ${faults.slice(0, NAMED).join('; ')}`, {
        file: this.path,
      });
  }
}
