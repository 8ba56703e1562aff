import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, runScript } from '../engines';

/** A real MongoDB. `MONGODB_URI` names one that is there; otherwise `start.sh` starts one, which ends by itself with jest. */

/** The process that lives as long as the whole jest run: jest itself, which forks its workers. */
const jestProcess = process.send === undefined ? process.pid : process.ppid;

function whyAbsent(): string | undefined {
  if (process.env['MONGODB_URI'] !== undefined || process.env['TES_GATEWAY_MONGOD'] !== undefined) return undefined;
  if (existsSync(join(cacheDirectory, 'mongo', '6.0.5', 'mongod'))) return undefined;
  return process.platform === 'linux' && process.arch === 'x64' ? undefined : 'there is no mongod for this machine; set MONGODB_URI';
}

let started: Promise<string> | undefined;

/** The server that tests share, by its connection string. */
export function requireMongo(): Promise<string> {
  started ??= start();
  return started;
}

async function start(): Promise<string> {
  const given = process.env['MONGODB_URI'];
  if (given !== undefined) return given;
  const answer = await runScript('mongo/start.sh', ['--owner', String(jestProcess), join(cacheDirectory, 'mongo', 'server')]);
  return answer.slice(answer.indexOf('=') + 1);
}

/** The name of a database of one's own. */
export function freshDatabase(): string {
  return `tes_test_${randomBytes(6).toString('hex')}`;
}

/**
 * A suite on a real MongoDB; `url()` is its connection string from `beforeAll` on. Where none can be had the suite is one skipped line
 * with the reason; with CI=true it is a failure.
 */
export function describeMongo(title: string, body: (url: () => string) => void): void {
  const absent = whyAbsent();
  if (absent !== undefined && process.env['CI'] !== 'true') {
    describe.skip(`mongo: ${title}`, () => {
      it(`cannot be had here: ${absent}`, () => undefined);
    });
    return;
  }
  describe(`mongo: ${title}`, () => {
    let url: string | undefined;
    beforeAll(async () => {
      url = await requireMongo();
    }, 300_000);
    body(() => {
      if (url === undefined) throw new Error('MongoDB is used before it was started');
      return url;
    });
  });
}
