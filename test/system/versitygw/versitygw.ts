import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { S3Endpoint } from '../../../src/storage/s3/s3-endpoints';
import { cacheDirectory, runScript } from '../engines';

/** A real S3 server on this machine (`start.sh`), which ends by itself with jest. */

/** The process that lives as long as the whole jest run: jest itself, which forks its workers. */
const jestProcess = process.send === undefined ? process.pid : process.ppid;

export const S3_KEYS = { access_key_id: 'tes', secret_access_key: 'tes-secret' };

/** A server of one's own. Port and data outlive its end. */
export class OwnS3 {
  url = '';
  private constructor(readonly directory: string) {}

  static async start(): Promise<OwnS3> {
    const below = join(cacheDirectory, 'versitygw');
    mkdirSync(below, { recursive: true });
    const own = new OwnS3(mkdtempSync(join(below, 'own-')));
    await own.startAgain();
    return own;
  }

  async startAgain(): Promise<void> {
    const answer = await runScript('versitygw/start.sh', ['--owner', String(jestProcess), this.directory]);
    this.url = /^S3_URL=(.*)$/m.exec(answer)?.[1] ?? '';
  }

  async stop(): Promise<void> {
    await runScript('versitygw/stop.sh', [this.directory]);
  }

  /** Where its objects are files. */
  bucketDirectory(bucket: string): string {
    return join(this.directory, 'data', bucket);
  }

  /** Somebody who may make buckets, and reaches these alone. */
  async addUser(accessKeyId: string, secretAccessKey: string): Promise<void> {
    const program = (await runScript('versitygw/install.sh', [])).trim();
    const root = ['--access', S3_KEYS.access_key_id, '--secret', S3_KEYS.secret_access_key, '--endpoint-url', this.url];
    const user = ['--access', accessKeyId, '--secret', secretAccessKey, '--role', 'userplus'];
    execFileSync(program, ['admin', ...root, 'create-user', ...user], { stdio: 'pipe' });
  }

  endpoint(url = this.url): S3Endpoint {
    return { prefix: 's3://', url, ...S3_KEYS };
  }

  async remove(): Promise<void> {
    await this.stop();
    if (process.env['TES_GATEWAY_KEEP'] === undefined)
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** Why there can be none here. */
function whyAbsent(): string | undefined {
  if (process.env['TES_GATEWAY_VERSITYGW'] !== undefined) return undefined;
  return spawnSync('go', ['version'], { stdio: 'ignore' }).status === 0 ? undefined : 'go is not installed, which builds versitygw';
}

/** A suite on a real S3 server of its own; `s3()` is it, from `beforeAll` on. Skipped where there can be none; with CI=true that is a failure. */
export function describeS3(title: string, body: (s3: () => OwnS3) => void): void {
  const absent = whyAbsent();
  if (absent !== undefined && process.env['CI'] !== 'true') {
    describe.skip(`S3: ${title}`, () => {
      it(`cannot be had here: ${absent}`, () => undefined);
    });
    return;
  }
  describe(`S3: ${title}`, () => {
    let own: OwnS3 | undefined;
    beforeAll(async () => {
      own = await OwnS3.start();
    }, 1_800_000);
    afterAll(() => own?.remove());
    body(() => {
      if (!own) throw new Error('the S3 server is used before it was started');
      return own;
    });
  });
}
