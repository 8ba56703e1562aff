import { promises as fs } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { KeyFile } from '../../src/credentials/key-file';
import type { Answer } from './client';
import { as, GuardedGateway } from './guarded-gateway';

const SECRET = 'open-sesame';
const LONG = SECRET.repeat(1000);
const ENDED = ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED'];

describe('credentials of users', () => {
  let directory: string;
  let audit: string;
  let gateway: GuardedGateway;
  beforeAll(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), 'credentials-'));
    audit = join(directory, 'audit.jsonl');
    await new KeyFile(join(directory, 'keys')).add();
    gateway = await GuardedGateway.start(
      ['ann', 'bob'],
      '--auth.schemes=[basic, token]',
      `--credentials.key_file=${join(directory, 'keys')}`,
      '--credentials.max_per_user=3',
      `--audit.file=${audit}`,
      '--retry.attempts=1',
      '--retry.first_delay_seconds=0.1',
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await fs.rm(directory, { recursive: true });
  });
  afterEach(async () => {
    for (const user of ['ann', 'bob']) {
      for (const [path, member] of [
        ['credentials', 'prefix'],
        ['registries', 'host'],
      ] as const) {
        const { json } = await ask('GET', path, user);
        for (const one of (json as Record<string, Record<string, string>[]>)[path] ?? [])
          await ask('DELETE', `${path}?${member}=${encodeURIComponent(one[member] ?? '')}`, user);
      }
    }
  });
  const ask = (method: string, path: string, user: string, body?: unknown): Promise<Answer> =>
    gateway.send(method, `/ext/v1/me/${path}`, { headers: as(user), ...(body !== undefined && { body: JSON.stringify(body) }) });

  it('are saved, listed and removed by their owner alone, and never shown', async () => {
    const saved = await ask('PUT', 'credentials', 'ann', { prefix: 'https://H.example/lab/', username: 'ann', password: SECRET });
    const shown = { prefix: 'https://h.example/lab', saved_at: expect.stringMatching(/^\d{4}-.*Z$/) as string };
    expect([saved.status, saved.json]).toEqual([200, shown]);
    const login = await ask('PUT', 'registries', 'ann', { host: 'registry.example:5000', username: 'ann', password: SECRET });
    expect([login.status, login.json]).toMatchObject([200, { host: 'registry.example:5000' }]);
    const lists = await Promise.all(['credentials', 'registries'].map((path) => ask('GET', path, 'ann')));
    expect(lists.map(({ json }) => json)).toMatchObject([{ credentials: [shown] }, { registries: [{ host: 'registry.example:5000' }] }]);
    expect(lists.map((list) => list.text).join()).not.toMatch(/sesame|username/);
    expect((await ask('GET', 'credentials', 'bob')).json).toEqual({ credentials: [] });
    const prefix = encodeURIComponent('https://h.example/lab/');
    expect((await ask('DELETE', `credentials?prefix=${prefix}`, 'bob')).status).toBe(404);
    const removed = await ask('DELETE', `credentials?prefix=${prefix}`, 'ann');
    expect([removed.status, removed.json]).toEqual([200, { prefix: 'https://h.example/lab' }]);
    expect((await ask('DELETE', `credentials?prefix=${prefix}`, 'ann')).status).toBe(404);
    expect((await ask('DELETE', 'registries?host=REGISTRY.example:5000', 'ann')).status).toBe(200);
  });

  it.each([
    ['credentials', {}],
    ['credentials', []],
    ['credentials', { prefix: 'https://h' }],
    ['credentials', { prefix: 'https://h', username: SECRET }],
    ['credentials', { prefix: 'https://h', password: SECRET }],
    ['credentials', { prefix: 'https://h', token: SECRET, username: 'ann', password: SECRET }],
    ['credentials', { prefix: 'https://h', username: `an:n${SECRET}`, password: SECRET }],
    ['credentials', { prefix: 'https://h', username: 'ann', password: `${SECRET}\r\nX: y` }],
    ['credentials', { prefix: 'https://h', token: `${SECRET}\n` }],
    ['credentials', { prefix: 'https://h', token: LONG }],
    ['credentials', { prefix: 'https://h', token: 7 }],
    ['credentials', { prefix: `https://u:${SECRET}@h`, token: SECRET }],
    ['credentials', { prefix: 'ftp://h', token: SECRET }],
    ['credentials', { prefix: 'https://h', token: SECRET, scope: SECRET }],
    ['registries', { host: 'h', username: 'ann' }],
    ['registries', { host: 'h', token: SECRET }],
    ['registries', { host: `u:${SECRET}@h`, username: 'ann', password: SECRET }],
    ['registries', { host: 'https://h', username: 'ann', password: SECRET }],
  ])('that are none are refused without a word of them: %s %j', async (path, body) => {
    const answer = await ask('PUT', path, 'ann', body);
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain('sesame');
    expect((await ask('GET', path, 'ann')).json).toEqual({ [path]: [] });
  });

  it('that are not even JSON are not repeated either', async () => {
    const answer = await gateway.send('PUT', '/ext/v1/me/credentials', { headers: as('ann'), body: `{"token": "${SECRET}` });
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain('sesame');
  });

  it.each([
    'credentials',
    'credentials?host=h',
    'credentials?prefix=a&prefix=b',
    'credentials?prefix=x',
    'registries',
    'registries?host=/',
  ])('are not removed by DELETE %s', async (path) => {
    expect((await ask('DELETE', path, 'ann')).status).toBe(400);
  });

  it('are at most so many', async () => {
    const put = (n: number): Promise<Answer> => ask('PUT', 'credentials', 'ann', { prefix: `https://h/${n}`, token: SECRET });
    const statuses = (await Promise.all([1, 2, 3, 4, 5].map(put))).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 200, 200, 409, 409]);
  });

  it('are not changed by a personal API token, and listed by one that may read', async () => {
    const headers = await gateway.token('ann', { scopes: ['read'] });
    const sent = { headers: { authorization: headers.authorization }, body: JSON.stringify({ prefix: 'https://h', token: SECRET }) };
    expect((await gateway.send('PUT', '/ext/v1/me/credentials', sent)).status).toBe(403);
    expect((await gateway.send('GET', '/ext/v1/me/credentials', { headers: sent.headers })).status).toBe(200);
  });

  it('are in the audit log by what they are for, and in the document', async () => {
    await ask('PUT', 'credentials', 'bob', { prefix: 'https://audited/x', username: 'bob-user', password: SECRET });
    await ask('PUT', 'registries', 'bob', { host: 'audited', username: 'bob-user', password: SECRET });
    await ask('DELETE', 'registries?host=audited', 'bob');
    const ofBob = async (): Promise<readonly string[]> =>
      (await fs.readFile(audit, 'utf8')).split('\n').filter((line) => /"(save|remove)-.*"subject":"bob".*"status":200/.test(line));
    while ((await ofBob()).length < 3);
    expect((await ofBob()).map((line) => JSON.parse(line) as object)).toMatchObject([
      { event: 'save-credential', credential: 'https://audited/x' },
      { event: 'save-registry', credential: 'audited' },
      { event: 'remove-registry', credential: 'audited' },
    ]);
    expect(await fs.readFile(audit, 'utf8')).not.toMatch(/sesame|bob-user/);
    const { json } = await gateway.send('GET', '/docs-json');
    expect(json).toMatchObject({
      paths: {
        '/ext/v1/me/credentials': { put: { operationId: 'SaveMyCredential' } },
        '/ext/v1/me/registries': { delete: { operationId: 'RemoveMyRegistry' } },
      },
    });
  });

  describe('for a storage that lets nobody else in', () => {
    let server: Server;
    let base: string;
    const stored = new Map<string, string>();
    beforeAll(async () => {
      server = createServer((request, response) => {
        void (async () => {
          const body = await text(request);
          if (request.headers.authorization !== `Bearer ${SECRET}`) return response.writeHead(401).end();
          if (request.method === 'PUT') stored.set(request.url ?? '', body);
          const found = stored.get(request.url ?? '');
          if (found === undefined) return response.writeHead(404).end();
          return response.writeHead(200, { 'content-length': found.length }).end(request.method === 'HEAD' ? '' : found);
        })();
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/lab`;
      stored.set('/lab/in', 'input');
    });
    afterAll(() => new Promise((done) => server.close(done)));

    const created = (user: string): Promise<string> =>
      gateway.create(user, { executors: [{ image: 'x', command: ['true'] }], inputs: [{ url: `${base}/in`, path: '/in' }] });
    const look = async (user: string, id: string): Promise<{ state: string; text: string }> => {
      const { json, text: shown } = await gateway.send('GET', `/v1/tasks/${id}?view=FULL`, { headers: as(user) });
      return { state: (json as { state: string }).state, text: shown };
    };
    const ended = async (user: string, id?: string): Promise<{ state: string; text: string }> => {
      const task = id ?? (await created(user));
      for (;;) {
        const looked = await look(user, task);
        if (ENDED.includes(looked.state)) return looked;
      }
    };

    it("are used by their owner's tasks alone, and not shown in any", async () => {
      await ask('PUT', 'credentials', 'ann', { prefix: base, token: SECRET });
      const [hers, his] = [await ended('ann'), await ended('bob')];
      expect([hers.state, his.state]).toEqual(['COMPLETE', 'SYSTEM_ERROR']);
      expect(his.text).toContain('credentials are missing or wrong');
      expect(hers.text + his.text).not.toContain('sesame');
      await ask('DELETE', `credentials?prefix=${encodeURIComponent(base)}`, 'ann');
      expect((await ended('ann')).state).toBe('SYSTEM_ERROR');
    });

    it('and whose key is gone are waited for, and nothing else waits', async () => {
      await ask('PUT', 'credentials', 'ann', { prefix: base, token: SECRET });
      const keys = join(directory, 'keys');
      await fs.rename(keys, `${keys}.away`);
      const id = await created('ann');
      try {
        expect((await ended('bob')).state).toBe('SYSTEM_ERROR');
        while (!(await look('ann', id)).text.includes('(setting credentials.key_file)'));
      } finally {
        await fs.rename(`${keys}.away`, keys);
      }
      expect((await ended('ann', id)).state).toBe('COMPLETE');
    });

    it('and whose key is gone cannot be saved; nothing else is concerned', async () => {
      const keys = join(directory, 'keys');
      await fs.rename(keys, `${keys}.away`);
      try {
        const answer = await ask('PUT', 'credentials', 'ann', { prefix: base, token: SECRET });
        expect([answer.status, answer.json]).toMatchObject([
          503,
          { code: 'CREDENTIAL_ERROR', message: 'the key for credentials of users is not to be had (setting credentials.key_file)' },
        ]);
        expect((await ask('GET', 'credentials', 'ann')).status).toBe(200);
        expect((await ended('bob')).state).toBe('SYSTEM_ERROR');
      } finally {
        await fs.rename(`${keys}.away`, keys);
      }
      expect((await ask('PUT', 'credentials', 'ann', { prefix: base, token: SECRET })).status).toBe(200);
    });
  });
});

describe('without credentials.key_file', () => {
  it('there are no routes for credentials', async () => {
    const gateway = await GuardedGateway.start(['ann']);
    try {
      expect((await gateway.send('GET', '/ext/v1/me/credentials', { headers: as('ann') })).status).toBe(404);
      expect(gateway.routes.join()).not.toMatch(/credentials|registries/);
    } finally {
      await gateway.stop();
    }
  });
});

describe('a key file that is not there', () => {
  it('is a fault at the start, in words', async () => {
    const start = GuardedGateway.start(['ann'], '--credentials.key_file=/nowhere/keys');
    await expect(start).rejects.toThrow(/the key file \/nowhere\/keys \(setting credentials.key_file\): it cannot be read \(ENOENT\)/);
  });
});
