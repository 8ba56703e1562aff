import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mongo } from 'mongoose';
import { cacheDirectory, runScript } from '../engines';
import { endForGood } from '../server';

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
  return process.env['MONGODB_URI'] ?? startIn(join(cacheDirectory, 'mongo', 'server'));
}

async function startIn(directory: string, ...options: string[]): Promise<string> {
  const answer = await runScript('mongo/start.sh', ['--owner', String(jestProcess), ...options, directory]);
  return answer.slice(answer.indexOf('=') + 1);
}

/** A mongod of one's own, to be killed, stopped and hindered; always the one that `install.sh` gives. Port and data outlive its end. */
export class OwnMongo {
  /** `prepare` may put `mongod.conf` and `query` into its directory, as start.sh reads them, and a file system below `data`. */
  static async start(prepare: (directory: string) => void = () => undefined): Promise<OwnMongo> {
    const below = join(cacheDirectory, 'mongo');
    mkdirSync(below, { recursive: true });
    const directory = mkdtempSync(join(below, 'own-'));
    prepare(directory);
    return new OwnMongo(directory, await startIn(directory));
  }

  private constructor(
    readonly directory: string,
    readonly url: string,
  ) {}

  get pid(): number {
    return Number(readFileSync(join(this.directory, 'mongod.pid'), 'utf8'));
  }
  get port(): number {
    return Number(new URL(this.url).port);
  }

  kill9(): Promise<void> {
    return endForGood(this.pid);
  }

  async stop(): Promise<void> {
    await runScript('mongo/stop.sh', [this.directory]);
  }

  async startAgain(): Promise<void> {
    await startIn(this.directory);
  }

  /** Hinders the commands of gateways, as `configureFailPoint: 'failCommand'` says; `mode` such as `{ times: 3 }`, 'alwaysOn' or 'off'. */
  async hinder(
    mode: 'alwaysOn' | 'off' | { readonly times: number } | { readonly skip: number },
    data: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const command = { configureFailPoint: 'failCommand', mode, ...(mode !== 'off' && { data: { ...data, appName: 'tes-gateway' } }) };
    await this.admin((admin) => admin.command(command));
  }

  async admin<Result>(work: (admin: mongo.Db) => Promise<Result>): Promise<Result> {
    const client = new mongo.MongoClient(this.url);
    try {
      return await work(client.db('admin'));
    } finally {
      await client.close();
    }
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** The name of a database of one's own. */
export function freshDatabase(): string {
  return `tes_test_${randomBytes(6).toString('hex')}`;
}

/** A set of three, of which one after the other may be killed. */
export class OwnReplicaSet {
  static async start(): Promise<OwnReplicaSet> {
    const below = join(cacheDirectory, 'mongo');
    mkdirSync(below, { recursive: true });
    const directories = [0, 1, 2].map((index) => mkdtempSync(join(below, `own-${index}-`)));
    const urls = await Promise.all(directories.map((directory) => startIn(directory, '--member')));
    const byPort = new Map(urls.map((url, index) => [Number(new URL(url).port), directories[index] ?? '']));
    await promisify(execFile)(process.execPath, [join(__dirname, 'replica-set.mjs'), ...[...byPort.keys()].map(String)]);
    return new OwnReplicaSet(byPort);
  }

  private constructor(private readonly byPort: ReadonlyMap<number, string>) {}

  get url(): string {
    return `mongodb://${[...this.byPort.keys()].map((port) => `127.0.0.1:${port}`).join()}/?replicaSet=rs0`;
  }

  /** Kills the primary; resolves with its port. */
  async killPrimary(): Promise<number> {
    const client = new mongo.MongoClient(this.url);
    try {
      const { primary } = (await client.db('admin').command({ hello: 1 })) as { primary?: string };
      const port = Number(primary?.split(':')[1]);
      await endForGood(Number(readFileSync(join(this.directory(port), 'mongod.pid'), 'utf8')));
      return port;
    } finally {
      await client.close();
    }
  }

  async startAgain(port: number): Promise<void> {
    await startIn(this.directory(port), '--member');
  }

  async remove(): Promise<void> {
    for (const directory of this.byPort.values()) {
      await runScript('mongo/stop.sh', [directory]);
      rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
  }

  private directory(port: number): string {
    const directory = this.byPort.get(port);
    if (directory === undefined) throw new Error(`no member at port ${port}`);
    return directory;
  }
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
