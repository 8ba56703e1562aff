import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { makeDirectories } from '../../src/config/make-directory';
import { loadSettings } from '../../src/config/settings';
import { Gateway } from '../../src/gateway';
import type { TesTask } from '../../src/task/tes';
import { makeWorkDirectory } from '../contract/backend/execution-backend.fixture';
import type { Answer } from './client';
import { as, basic, GuardedGateway, SCRIPTED, type Sent } from './guarded-gateway';

/** Of another origin, allowed. */
const PAGE = 'https://app.example';

describe('a login by name and password', () => {
  let gateway: GuardedGateway;
  beforeAll(async () => {
    const users = '[{name: root, roles: [admin], groups: [lab]}, {name: ann, groups: [lab]}]';
    gateway = await GuardedGateway.start(
      ['ann', 'bob', 'eve', 'jürgen', 'root'],
      `--auth.basic.users=${users}`,
      `--server.cors_origins=[${PAGE}]`,
    );
  });
  afterAll(() => gateway.stop());
  const get = (target: string, who: string): Promise<Answer> => gateway.send('GET', target, { headers: as(who) });
  const idsOf = async (who: string, query = ''): Promise<string[]> =>
    ((await get(`/v1/tasks${query}`, who)).json as { tasks: { id: string }[] }).tasks.map(({ id }) => id);

  it('tells everybody who they are, what they may do, and how many tasks they have', async () => {
    expect((await get('/ext/v1/me', 'ann')).json).toEqual({
      kind: 'user',
      owner: 'basic|ann',
      name: 'ann',
      groups: ['basic|lab'],
      roles: ['user'],
      tasks: {},
      limits: [
        { setting: 'limits.max_tasks_of_user', most: 500_000, used: 0 },
        { setting: 'rates.creates', most: 30_000, used: 0 },
        { setting: 'rates.lists', most: 6000, used: expect.any(Number) as number },
      ],
    });
    await gateway.create('ann', { tags: { life: 'run' } });
    const { tasks } = (await get('/ext/v1/me', 'ann')).json as { tasks: Record<string, number> };
    expect(Object.values(tasks)).toEqual([1]);
    expect((await get('/ext/v1/me', 'bob')).json).toMatchObject({ name: 'bob', groups: [], tasks: {} });
    expect((await get('/ext/v1/me', 'root')).json).toMatchObject({ roles: ['admin'], tasks: {} });
    expect((await get('/ext/v1/me', 'jürgen')).json).toMatchObject({ owner: 'basic|jürgen' });
  });

  it('keeps two users apart: lists, page tokens, keys, and what is said of tasks that are not there', async () => {
    const [mine, own] = [await gateway.create('eve'), await gateway.create('eve')];
    const theirs = await gateway.create('bob');
    expect(await idsOf('eve')).toEqual([own, mine]);
    expect(await idsOf('bob')).toEqual([theirs]);
    expect((await idsOf('root')).slice(0, 3)).toEqual([theirs, own, mine]);

    const { next_page_token: token } = (await get('/v1/tasks?page_size=1', 'eve')).json as { next_page_token: string };
    expect((await get(`/v1/tasks?page_size=1&page_token=${token}`, 'bob')).status).toBe(400);
    expect((await get(`/v1/tasks?page_size=1&page_token=${token}`, 'root')).status).toBe(400);
    expect(await idsOf('eve', `?page_size=1&page_token=${token}`)).toEqual([mine]);

    const keyed = async (who: string): Promise<unknown> => {
      const body = JSON.stringify({ name: who, executors: [{ image: 'x', command: ['true'] }] });
      return (await gateway.send('POST', '/v1/tasks', { headers: { ...as(who), 'idempotency-key': 'one' }, body })).json;
    };
    const [first, other] = [await keyed('eve'), await keyed('bob')];
    expect(other).toEqual({ id: expect.any(String) as string });
    expect(other).not.toEqual(first);
    expect(await keyed('eve')).toEqual(first);

    const absent = '0'.repeat(mine.length);
    const paths = ['/v1/tasks/ID', '/v1/tasks/ID?view=FULL', '/v1/tasks/ID:cancel', '/ext/v1/tasks/ID', '/ext/v1/tasks/ID:restore-outputs'];
    for (const path of [...paths, '/ext/v1/tasks/ID/logs/0/stdout', '/ext/v1/tasks/ID/logs/99/stderr?follow=true']) {
      const ask = async (id: string): Promise<unknown> => {
        const method = path.includes(':') ? 'POST' : 'GET';
        const { status, text } = await gateway.send(method, path.replace('ID', id), { headers: as('bob') });
        return [status, text.replaceAll(id, 'ID')];
      };
      expect([path, await ask(mine)]).toEqual([path, await ask(absent)]);
    }
  });

  it('shows admins, and nobody else, whose each task is', async () => {
    const id = await gateway.create('ann');
    const waiting = await gateway.create('ann', { tags: { life: 'run' } });
    const logsOf = async (task: string, view: string, who: string): Promise<TesTask['logs']> =>
      ((await get(`/v1/tasks/${task}?view=${view}`, who)).json as TesTask).logs;
    for (const view of ['BASIC', 'FULL']) {
      for (const task of [id, waiting]) {
        for (const { metadata } of (await logsOf(task, view, 'root')) ?? [{}])
          expect(metadata).toMatchObject({ owner: 'basic|ann', owner_name: 'ann' });
        for (const { metadata = {} } of (await logsOf(task, view, 'ann')) ?? []) expect(metadata).not.toHaveProperty('owner');
      }
      const { tasks } = (await get(`/v1/tasks?view=${view}`, 'root')).json as { tasks: TesTask[] };
      for (const { logs } of tasks) expect(logs?.[0]?.metadata).toHaveProperty('owner');
    }
    expect((await gateway.send('POST', `/v1/tasks/${waiting}:cancel`, { headers: as('root') })).status).toBe(200);
  });

  it('names in the document the scheme that is on, as TES does', async () => {
    expect((await gateway.send('GET', '/docs-json')).json).toMatchObject({
      security: [{ BasicAuth: [] }],
      components: { securitySchemes: { BasicAuth: { type: 'http', scheme: 'basic' } } },
    });
  });

  it('lets a page of another origin that is allowed ask first, and read what it is refused', async () => {
    const asking = { origin: PAGE, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
    const allowed = await gateway.send('OPTIONS', '/v1/tasks', { headers: asking });
    expect([allowed.status, allowed.headers['access-control-allow-headers']]).toEqual([204, 'authorization']);
    // A browser sends passwords that it remembers only where the answer says so.
    expect(allowed.headers).not.toHaveProperty('access-control-allow-credentials');
    const refused = await gateway.send('GET', '/v1/tasks', { headers: { origin: PAGE } });
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, PAGE]);
  });

  it('lets no page of a strange origin post with the password that a browser remembers', async () => {
    const body = JSON.stringify({ executors: [{ image: 'x', command: ['true'] }] });
    const headers = { ...as('ann'), origin: 'https://evil.example', 'content-type': 'text/plain' };
    expect((await gateway.send('POST', '/v1/tasks', { headers, body })).status).toBe(403);
  });

  it.each([
    ['a colon too many', basic('ann:pw:ann:')],
    ['the password of another', basic('ann:pw:bob')],
    ['another spelling of the name', basic('ANN:pw:ANN')],
    ['a decomposed character', basic('ju\u0308rgen:pw:jürgen')],
    ['Latin-1', { authorization: `Basic ${Buffer.from('jürgen:pw:jürgen', 'latin1').toString('base64')}` }],
    ['a NUL', basic('ann:pw:ann\0')],
    ['a token', { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }],
    ['two in one line', { authorization: `${as('ann').authorization}, ${as('bob').authorization}` }],
    ['nothing after the scheme', { authorization: 'Basic' }],
    ['what py-tes sends of itself', basic('None:None')],
    ['what Funnel sends of itself', basic(':')],
    ['12 KB of password', basic(`ann:${'x'.repeat(9000)}`)],
  ])('refuses %s', async (_what, headers) => {
    const from = '127.0.3.1';
    expect((await gateway.send('GET', '/v1/tasks', { headers, from })).status).toBe(401);
  });

  it('answers thousands of wrong passwords without looking at them, while others go on and log in', async () => {
    expect((await get('/ext/v1/me', 'ann')).status).toBe(200);
    const [attacker, victim] = ['127.0.4.1', '127.0.4.2'];
    const statuses: Record<number, number> = {};
    let sent = 0;
    const guess = async (): Promise<void> => {
      while (sent < 5000) {
        sent += 1;
        const name = sent % 2 === 0 ? 'ann' : `nobody${sent}`;
        const request: Sent = { headers: basic(`${name}:guess ${sent}`), from: attacker };
        const { status, headers, json } = await gateway.send('GET', '/v1/tasks', request);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status === 429) {
          expect(Number(headers['retry-after'])).toBeGreaterThan(0);
          expect(json).toEqual({ code: 'TOO_MANY_REQUESTS', message: expect.any(String) as string });
        }
      }
    };
    const guesses = Promise.all(Array.from({ length: 20 }, guess));
    // Who was let in before is, from anywhere; who comes for the first time is, from elsewhere.
    expect((await gateway.send('GET', '/v1/tasks', { headers: as('ann'), from: attacker })).status).toBe(200);
    expect((await gateway.send('GET', '/v1/tasks', { headers: as('jürgen'), from: victim })).status).toBe(200);
    await guesses;
    expect(Object.keys(statuses)).toEqual(['401', '429']);
    // A hundred, ten of them for ann, and what time gives back meanwhile.
    expect(statuses[401]).toBeLessThan(400);
    expect((await gateway.send('GET', '/v1/tasks', { headers: as('ann'), from: attacker })).status).toBe(200);
  });
});

describe('without a login', () => {
  it('a gateway that others reach says so, loudly, and serves everybody as one admin, whatever they send', async () => {
    const directory = await makeWorkDirectory('open');
    const own = ['data', 'work'].map((name) => `--${name}_dir=${join(directory, name)}`);
    const argv = [...own, '--server.port=0', '--server.host=0.0.0.0', '--auth.allow_anonymous=true'];
    const settings = loadSettings({ files: [], env: {}, argv }, SCRIPTED);
    makeDirectories(settings);
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
    const gateway = await Gateway.create({ settings, version: '0', log, environment: {}, adapters: SCRIPTED });
    try {
      const port = await gateway.start();
      expect(lines.join('')).toContain('THERE IS NO LOGIN: everybody who reaches 0.0.0.0 may run tasks');
      const authorization = as('anybody').authorization;
      const answer = await fetch(`http://127.0.0.1:${port}/ext/v1/me`, { headers: { authorization } });
      expect(await answer.json()).toMatchObject({ kind: 'anonymous', owner: 'anonymous', roles: ['admin'] });
      expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200);
    } finally {
      await gateway.stop();
      await fs.rm(directory, { recursive: true, force: true });
    }
  });
});
