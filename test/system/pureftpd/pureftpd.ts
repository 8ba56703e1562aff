import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, runScript } from '../engines';

/** A real FTP server on this machine (`start.sh`), which ends by itself with jest. */

/** The process that lives as long as the whole jest run: jest itself, which forks its workers. */
const jestProcess = process.send === undefined ? process.pid : process.ppid;

/** The password of a user. */
export const passwordOf = (user: string): string => `${user}:secret`;

/** A server of one's own. Port and files outlive its end. */
export class OwnFtp {
  port = 0;
  private constructor(readonly directory: string) {}

  static async start(): Promise<OwnFtp> {
    const below = join(cacheDirectory, 'pureftpd');
    mkdirSync(below, { recursive: true });
    const own = new OwnFtp(mkdtempSync(join(below, 'own-')));
    await own.startAgain();
    return own;
  }

  async startAgain(): Promise<void> {
    const answer = await runScript('pureftpd/start.sh', ['--owner', String(jestProcess), this.directory]);
    this.port = Number(/^FTP_PORT=(.*)$/m.exec(answer)?.[1]);
  }

  async stop(): Promise<void> {
    await runScript('pureftpd/stop.sh', [this.directory]);
  }

  /** Its own, which signs itself. */
  get certificate(): string {
    return join(this.directory, 'certificate');
  }

  /** Where the files of a user are. */
  filesOf(user = 'tes'): string {
    return join(this.directory, 'root', user);
  }

  async remove(): Promise<void> {
    await this.stop();
    if (process.env['TES_GATEWAY_KEEP'] === undefined)
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** Why there can be none here: it serves files of users of its own, and is fetched as a package of Debian. */
function whyAbsent(): string | undefined {
  if (process.getuid?.() !== 0) return 'the tests do not run as root';
  return existsSync('/usr/bin/apt-get') ? undefined : 'apt-get is not there';
}

/** A suite on a real FTP server of its own; `ftp()` is it, from `beforeAll` on. Skipped where there can be none; with CI=true that is a failure. */
export function describeFtp(title: string, body: (ftp: () => OwnFtp) => void): void {
  const absent = whyAbsent();
  if (absent !== undefined && process.env['CI'] !== 'true') {
    describe.skip(`FTP: ${title}`, () => {
      it(`cannot be had here: ${absent}`, () => undefined);
    });
    return;
  }
  describe(`FTP: ${title}`, () => {
    let own: OwnFtp | undefined;
    beforeAll(async () => {
      own = await OwnFtp.start();
    }, 600_000);
    afterAll(() => own?.remove());
    body(() => {
      if (!own) throw new Error('the FTP server is used before it was started');
      return own;
    });
  });
}
