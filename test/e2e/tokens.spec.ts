import type { Answer } from './client';
import { as, GuardedGateway } from './guarded-gateway';

interface Shown {
  readonly id: string;
  readonly token?: string;
  readonly created_at: string;
  readonly expires_at: string;
}

describe('personal API tokens', () => {
  let gateway: GuardedGateway;
  beforeAll(async () => {
    gateway = await GuardedGateway.start(
      ['ann', 'bob', 'root'],
      '--auth.schemes=[basic, token]',
      '--auth.token.max_per_user=4',
      '--auth.basic.users=[{name: root, roles: [admin]}, {name: ann, groups: [lab]}]',
    );
  });
  afterAll(() => gateway.stop());
  const ask = (method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<Answer> =>
    gateway.send(method, `/ext/v1/${path}`, { headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const bearer = (token = ''): { authorization: string } => ({ authorization: `Bearer ${token}` });
  const listed = async (path: string, who: string): Promise<unknown[]> =>
    ((await ask('GET', path, as(who))).json as { tokens: unknown[] }).tokens;
  beforeEach(async () => {
    for (const owner of ['ann', 'bob', 'root']) await ask('DELETE', `users/basic%7C${owner}/tokens`, as('root'));
  });

  it('are counted in the list of users, which admins see page by page', async () => {
    await gateway.create('ann');
    for (const who of ['ann', 'bob']) await gateway.token(who);
    const users: unknown[] = [];
    for (let token = '', pages = 0; pages === 0 || token !== ''; pages += 1) {
      const { json } = await ask('GET', `users?page_size=1&page_token=${token}`, as('root'));
      const page = json as { users: unknown[]; next_page_token: string };
      users.push(...page.users);
      token = page.next_page_token;
    }
    expect(users).toEqual([
      {
        owner: 'basic|ann',
        name: 'ann',
        tasks: expect.any(Object) as object,
        last_task_at: expect.stringMatching(/^20.*Z$/) as string,
        tokens: 1,
      },
      { owner: 'basic|bob', name: 'bob', tasks: {}, tokens: 1 },
    ]);
    expect((await ask('GET', 'users?page_token=x', as('root'))).status).toBe(400);
    expect((await ask('GET', 'users', as('ann'))).status).toBe(403);
  });

  it('are made, shown once, used and revoked by their owner', async () => {
    const made = await ask('POST', 'me/tokens', as('ann'), {
      name: 'nächtlich 🌙',
      scopes: ['create', 'read', 'read'],
      expires_in_days: 0.5,
    });
    expect([made.status, made.headers['cache-control']]).toEqual([201, 'no-store']);
    const { token, ...shown } = made.json as Shown;
    expect(shown).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{24}$/) as string,
      name: 'nächtlich 🌙',
      owner: 'basic|ann',
      roles: ['user'],
      scopes: ['create', 'read'],
      created_at: expect.any(String) as string,
      expires_at: expect.any(String) as string,
    });
    expect(Date.parse(shown.expires_at) - Date.parse(shown.created_at)).toBe(43_200_000);
    expect(await listed('me/tokens', 'ann')).toEqual([shown]);
    expect(await listed('me/tokens', 'bob')).toEqual([]);

    const me = await ask('GET', 'me', bearer(token));
    expect(me.json).toMatchObject({ owner: 'basic|ann', groups: ['basic|lab'], roles: ['user'], scopes: ['create', 'read'] });
    expect((await ask('GET', 'me', as('ann'))).json).not.toHaveProperty('scopes');
    const task = JSON.stringify({ executors: [{ image: 'x', command: ['true'] }] });
    const { id } = (await gateway.send('POST', '/v1/tasks', { headers: bearer(token), body: task })).json as { id: string };
    expect((await gateway.send('GET', `/v1/tasks/${id}`, { headers: as('ann') })).status).toBe(200);
    const uncovered = await gateway.send('POST', `/v1/tasks/${id}:cancel`, { headers: bearer(token) });
    expect([uncovered.status, uncovered.json]).toEqual([
      403,
      { code: 'FORBIDDEN', message: 'the token does not cover this: it lacks the scope cancel' },
    ]);

    expect((await ask('DELETE', `me/tokens/${shown.id}`, as('bob'))).status).toBe(404);
    expect((await ask('DELETE', `me/tokens/${shown.id}`, as('ann'))).json).toEqual({ revoked: 1 });
    expect((await ask('GET', 'me', bearer(token))).status).toBe(401);
    expect((await ask('DELETE', `me/tokens/${shown.id}`, as('ann'))).json).toEqual({
      code: 'NOT_FOUND',
      message: 'there is no such token',
    });
  });

  it('of everybody are listed, made and revoked by admins', async () => {
    const [first, second] = [await gateway.token('ann'), await gateway.token('ann')];
    const made = await ask('POST', 'users/robots%7Ca%2Fb%2F..%2Fc/tokens', as('root'), { name: 'x', role: 'viewer' });
    expect(made.json).toMatchObject({ owner: 'robots|a/b/../c', roles: ['viewer'], made_by: 'basic|root' });
    expect((await ask('GET', 'me', bearer((made.json as Shown).token))).json).toMatchObject({ owner: 'robots|a/b/../c', kind: 'service' });
    expect(await listed('users/basic%7Cann/tokens', 'root')).toMatchObject([{ id: first.id }, { id: second.id }]);
    expect((await ask('DELETE', `users/basic%7Cbob/tokens/${first.id}`, as('root'))).status).toBe(404);
    expect((await ask('DELETE', `users/basic%7Cann/tokens/${first.id}`, as('root'))).json).toEqual({ revoked: 1 });
    expect((await ask('GET', 'me', first)).status).toBe(401);
    expect((await ask('GET', 'me', second)).status).toBe(200);
    expect((await ask('DELETE', 'users/basic%7Cann/tokens', as('root'))).json).toEqual({ revoked: 1 });
    expect((await ask('GET', 'me', second)).status).toBe(401);
  });

  it('are so many for one user, and one more once one is revoked', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => ask('POST', 'me/tokens', as('bob'), { name: 'x' })));
    expect(made.map(({ status }) => status).toSorted()).toEqual([201, 201, 201, 201, 409, 409]);
    const { id } = made.find(({ status }) => status === 201)?.json as Shown;
    await ask('DELETE', `me/tokens/${id}`, as('bob'));
    expect((await ask('POST', 'me/tokens', as('bob'), { name: 'x' })).status).toBe(201);
  });

  it.each<[unknown, string]>([
    [{}, '$.name is required'],
    [{ name: '' }, '$.name must be text of 1 to 100'],
    [{ name: 'x'.repeat(101) }, '$.name must be text of'],
    [{ name: 'a\nb' }, '$.name must be text of'],
    [{ name: 7 }, '$.name must'],
    [{ name: 'x', scopes: [] }, '$.scopes must be a list of at least one'],
    [{ name: 'x', scopes: 'read' }, '$.scopes'],
    [{ name: 'x', scopes: ['write'] }, '$.scopes'],
    [{ name: 'x', expires_in_days: 0 }, '$.expires_in_days must be a number above 0'],
    [{ name: 'x', expires_in_days: '30' }, '$.expires_in_days must be'],
    [{ name: 'x', expires_in_days: 1e308 }, 'a token may live for 365 days at most'],
    [{ name: 'x', expires_in_days: null }, '$.expires_in_days must be'],
    [{ name: 'x', expires_in_days: 366 }, 'a token may live for 365 days at most'],
    [{ name: 'x', expires_at: '2020-01-01' }, '$.expires_at is not known'],
    [{ name: 'x', role: 'viewer' }, '$.role is not known'],
    [[], '$ must be an object'],
    [null, '$ must be an object'],
  ])('are not made of %j', async (body, words) => {
    const { status, json } = await ask('POST', 'me/tokens', as('ann'), body);
    expect([status, json]).toEqual([
      400,
      expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.stringContaining(words) as string }),
    ]);
    expect(await listed('me/tokens', 'ann')).toEqual([]);
  });

  it.each([
    ['users/ann/tokens', {}, 400],
    ['users/%7Cann/tokens', {}, 400],
    [`users/basic%7C${'x'.repeat(1000)}/tokens`, {}, 400],
    ['users/basic%7Cann/tokens', { role: 'admin' }, 400],
    ['users/basic%7Cann/tokens', { scopes: ['admin'] }, 400],
  ])('are not made for somebody at %.40s with %j', async (path, wish, expected) => {
    expect((await ask('POST', path, as('root'), { name: 'x', ...wish })).status).toBe(expected);
  });

  it('are in the document, with the scheme by which they are sent', async () => {
    const { json } = await gateway.send('GET', '/docs-json');
    expect(json).toMatchObject({
      security: [{ BasicAuth: [] }, { BearerAuth: [] }],
      paths: { '/ext/v1/me/tokens': { post: { operationId: 'MakeMyToken' } }, '/ext/v1/users/{owner}/tokens': {} },
    });
  });
});

describe('without personal API tokens', () => {
  it('there are no routes for them', async () => {
    const gateway = await GuardedGateway.start(['ann']);
    try {
      expect((await gateway.send('POST', '/ext/v1/me/tokens', { headers: as('ann'), body: '{"name":"x"}' })).status).toBe(404);
      expect(gateway.routes.join()).not.toContain('tokens');
    } finally {
      await gateway.stop();
    }
  });
});
