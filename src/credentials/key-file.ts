import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { dirname } from 'node:path';
import { CredentialError } from '../ports/errors';

export interface Key {
  /** In every credential that is encrypted with it; no secret. */
  readonly id: string;
  /** 256 bits. */
  readonly bytes: Buffer;
}

const LINE = /^([0-9a-f]{16}) ([0-9A-Za-z+/]{43}=)$/;
const FILE_MODE = 0o600;
/** Who has that many has never let one go. */
const MOST_BYTES = 64 * 1024;

/**
 * The keys with which credentials are encrypted, a line each: id and Base64. The first encrypts; the others only decrypt what was saved before.
 * Read whenever one is needed, which is seldom, so that a change counts at once.
 */
export class KeyFile {
  constructor(private readonly path: string) {}

  /** At least one. Throws CredentialError, its `message` for the operator. */
  async read(): Promise<readonly [Key, ...Key[]]> {
    const text = await this.text();
    const keys = text.split('\n').flatMap((line, at) => (line === '' ? [] : [this.keyOf(line, at + 1)]));
    const [first, ...others] = keys;
    if (!first) throw this.fault('it is empty');
    return [first, ...others];
  }

  /** Throws CredentialError likewise, also where the key of that id is not there any more. */
  async key(id: string): Promise<Key> {
    const found = (await this.read()).find((key) => key.id === id);
    if (found) return found;
    throw this.fault(`it does not hold the key ${id}`);
  }

  /** Puts a new key before those that are there; makes the file where there is none. */
  async add(): Promise<Key> {
    const former = await this.read().catch(async (error: unknown) => {
      if (await fs.stat(this.path).catch(ifAbsent)) throw error;
      return [];
    });
    const key = { id: randomBytes(8).toString('hex'), bytes: randomBytes(32) };
    await this.write([key, ...former]);
    return key;
  }

  /** Takes out all but the first and those that are still needed. How many. */
  async drop(isNeeded: (id: string) => boolean): Promise<number> {
    const [first, ...others] = await this.read();
    const kept = others.filter(({ id }) => isNeeded(id));
    if (kept.length < others.length) await this.write([first, ...kept]);
    return others.length - kept.length;
  }

  private async text(): Promise<string> {
    try {
      const { size } = await fs.stat(this.path);
      if (size <= MOST_BYTES) return await fs.readFile(this.path, 'utf8');
    } catch (error) {
      throw this.fault(`it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`, error);
    }
    throw this.fault('it is too long');
  }

  /** Words of the line itself are never shown. */
  private keyOf(line: string, number: number): Key {
    const [, id = '', base64 = ''] = LINE.exec(line) ?? [];
    if (id === '') throw this.fault(`its line ${number} is not a key`);
    return { id, bytes: Buffer.from(base64, 'base64') };
  }

  /** Whole or not at all, and on the disk: what is encrypted with a key that is lost is lost. */
  private async write(keys: readonly Key[]): Promise<void> {
    const aside = `${this.path}.new`;
    await fs.rm(aside, { force: true });
    const file = await fs.open(aside, 'wx', FILE_MODE);
    try {
      await file.writeFile(keys.map(({ id, bytes }) => `${id} ${bytes.toString('base64')}\n`).join(''));
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(aside, this.path);
    const directory = await fs.open(dirname(this.path));
    await directory.sync().finally(() => directory.close());
  }

  private fault(what: string, cause?: unknown): CredentialError {
    return new CredentialError('the key for credentials of users is not to be had (setting credentials.key_file)', {
      internal: `the key file ${this.path} (setting credentials.key_file): ${what}`,
      cause,
    });
  }
}

function ifAbsent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}
