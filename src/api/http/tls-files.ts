import { promises as fs } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { EngineLog } from '../../engine/engine-log';

export interface TlsPaths {
  /** PEM; the certificates between the server's and the authority's come after it. */
  readonly certificate: string;
  readonly key: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The certificate and the key of the server, in files that others write, looked at again and again. Those of the last time go on while they cannot be used. */
export class TlsFiles {
  private version = '';
  private trouble: string | undefined;

  constructor(
    private readonly paths: TlsPaths,
    private readonly log: EngineLog,
  ) {}

  /** Rejects when they cannot be read, or do not belong together. */
  async read(): Promise<TlsPair> {
    // Looked at before they are read: what changes meanwhile is another version at the next look.
    const version = await this.versionNow();
    const { certificate, key } = this.paths;
    const pair = { cert: await fs.readFile(certificate), key: await fs.readFile(key) };
    createSecureContext(pair);
    this.version = version;
    return pair;
  }

  /** Gives a server what has changed. New connections have it; never rejects. */
  async look(server: { setSecureContext(pair: TlsPair): void }): Promise<void> {
    const { certificate: file } = this.paths;
    try {
      if ((await this.versionNow()) !== this.version) {
        server.setSecureContext(await this.read());
        this.log.info('the certificate was read again', { file });
      }
      this.trouble = undefined;
    } catch (error) {
      const { message: reason } = error as Error;
      if (reason !== this.trouble) this.log.error('the new certificate cannot be used: the last one goes on', { file, reason });
      this.trouble = reason;
    }
  }

  private async versionNow(): Promise<string> {
    const found = await Promise.all(Object.values(this.paths).map((path: string) => fs.stat(path, { bigint: true })));
    return found.map(({ ino, size, ctimeNs }) => `${ino} ${size} ${ctimeNs}`).join(' ');
  }
}
