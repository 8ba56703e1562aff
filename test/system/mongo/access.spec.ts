import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { makeCertificates } from '../../support/certificates';
import { requireEngine, type Engine } from '../engines';
import { prepareServer, type RunningServer } from '../server';
import { eventually } from '../tes-client';
import { describeMongo, OwnMongo } from './mongo';

const USER = 'gate@way';
const PASSWORD = 'pass:w/ord?#HUSH';
const TASK = { executors: [{ image: 'localhost/busybox:latest', command: ['true'] }] };

/** An authority of its own, a certificate for loopback, and a mongod that takes nothing but TLS and known users. */
function secured(directory: string): void {
  const { authority, both } = makeCertificates(directory);
  writeFileSync(join(directory, 'members'), 'ab12'.repeat(20));
  chmodSync(join(directory, 'members'), 0o600);
  const tls = {
    mode: 'requireTLS',
    certificateKeyFile: both,
    CAFile: authority,
    allowConnectionsWithoutCertificates: true,
  };
  const conf = { net: { tls }, security: { authorization: 'enabled', keyFile: join(directory, 'members') } };
  writeFileSync(join(directory, 'mongod.conf'), JSON.stringify(conf));
  writeFileSync(join(directory, 'query'), `tls=true&tlsCAFile=${encodeURIComponent(authority)}`);
}

describeMongo('a database that takes only TLS and known users', () => {
  let engine: Engine;
  let mongod: OwnMongo;
  let server: RunningServer | undefined;
  beforeAll(async () => {
    engine = await requireEngine('bubblewrap');
    mongod = await OwnMongo.start(secured);
    const client = new mongo.MongoClient(url({ user: '' }));
    try {
      // The first user may be made from this machine without being one.
      await client.db('admin').command({ createUser: 'root', pwd: 'root', roles: ['root'] });
    } finally {
      await client.close();
    }
    const root = new mongo.MongoClient(url({ user: 'root', password: 'root', source: 'admin' }));
    try {
      await root.db('accounts').command({ createUser: USER, pwd: PASSWORD, roles: [{ role: 'readWrite', db: 'tes' }] });
    } finally {
      await root.close();
    }
  }, 300_000);
  afterAll(() => mongod.remove());
  afterEach(async () => {
    await server?.remove();
    server = undefined;
  });

  interface Way {
    /** '' = none. */
    readonly user?: string;
    readonly password?: string;
    readonly source?: string;
    readonly tls?: string;
  }
  function url({ user = USER, password = PASSWORD, source = 'accounts', tls }: Way): string {
    const ca = encodeURIComponent(join(mongod.directory, 'ca.pem'));
    const login = user === '' ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
    const query = ['replicaSet=rs0', ...(login === '' ? [] : [`authSource=${source}`]), tls ?? `tls=true&tlsCAFile=${ca}`]
      .filter(Boolean)
      .join('&');
    return `mongodb://${login}127.0.0.1:${mongod.port}/?${query}`;
  }
  const prepare = async (way: Way): Promise<RunningServer> =>
    (server = await prepareServer({
      engine,
      settings: { store: { type: 'mongodb', url: url(way), database: 'tes' }, logs: { level: 'trace' } },
    }));
  const secrets = [PASSWORD, encodeURIComponent(PASSWORD), 'HUSH'];
  const expectNoSecret = (texts: readonly string[]): void => {
    for (const text of texts) for (const secret of secrets) expect(text).not.toContain(secret);
  };

  it("is used with user, password, authSource and an authority of one's own; none of it is in a log, an answer or a command's output", async () => {
    const running = await prepare({});
    await running.start();
    await running.client.until(await running.client.create(TASK), ['COMPLETE']);
    const told = await Promise.all(
      ['/readyz', '/metrics', '/ga4gh/tes/v1/service-info', '/ext/v1/backends'].map(async (path) =>
        (await fetch(`${running.url}${path}`)).text(),
      ),
    );
    await running.stop();
    const outputs = await Promise.all([
      running.storeCommand('gone', 'nobody'),
      running.storeCommand('export', join(running.directory, 'tasks')),
    ]);
    expect(outputs.map(({ code }) => code)).toEqual([0, 0]);
    expectNoSecret([running.log(), ...told, ...outputs.map(({ output }) => output), await running.shownSettings()]);
    expect(running.log()).not.toBe('');
  }, 120_000);

  it.each<[string, Way, RegExp]>([
    ['a wrong password', { password: `not-${PASSWORD}` }, /user name or password are not accepted/],
    ['another authSource', { source: 'admin' }, /user name or password are not accepted/],
    ['no user', { user: '' }, /the user may not do this on the database/],
    ['a text that is no connection string', { tls: 'tls=maybe' }, /store\.url cannot be read as a connection string/],
  ])(
    'with %s refuses the start, with the reason and nothing else',
    async (_, way, reason) => {
      const running = await prepare(way);
      await running.start({ ready: false });
      expect(await running.exit()).toBe(1);
      expect(running.log()).toMatch(reason);
      expectNoSecret([running.log(), (await running.storeCommand('gone', 'nobody')).output]);
    },
    60_000,
  );

  it.each([
    ['an authority that is not known', 'tls=true'],
    ['no TLS at all', ''],
  ])(
    'with %s is not reached; the gateway says so, and waits',
    async (_, tls) => {
      const running = await prepare({ tls });
      await running.start({ ready: false });
      await eventually('two tries', () => (running.log().match(/MongoDB is not reached.*tried again in/g)?.length ?? 0) >= 2 || undefined);
      expect((await fetch(`${running.url}/readyz`)).status).toBe(503);
      expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
      expectNoSecret([running.log(), await (await fetch(`${running.url}/readyz`)).text()]);
    },
    60_000,
  );
});
