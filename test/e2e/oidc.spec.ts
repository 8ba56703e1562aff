import { createHash } from 'node:crypto';
import { AUDIENCE, type OpenIdProvider, SECRET, startProvider } from '../support/openid-provider';
import { as, GuardedGateway } from './guarded-gateway';

/** Settings that trust it for tokens meant for this audience. */
const trusting = ({ url }: OpenIdProvider, audience: string): string =>
  `--auth.oidc.issuers=[{url: "${url}", audience: "${audience}", roles_claim: roles, admin_values: [tes-admin], client_id: gateway,
    client_secret: "${SECRET}", introspection: true}]`;

afterAll(() => jest.restoreAllMocks());

describe('a login by an OpenID provider, beside one by name and password', () => {
  let provider: OpenIdProvider;
  let gateway: GuardedGateway;
  beforeAll(async () => {
    provider = await startProvider();
    gateway = await GuardedGateway.start(['ann'], '--auth.schemes=[oidc, basic]', trusting(provider, AUDIENCE));
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.stop();
  });

  const me = async (authorization: string): Promise<{ status: number; json: unknown }> =>
    gateway.send('GET', '/ext/v1/me', { headers: { authorization } });

  it('takes a JWT of it, with roles and groups, and a password as well', async () => {
    const answer = await me(`Bearer ${await provider.tokenOf('robot', AUDIENCE)}`);
    expect(answer.json).toMatchObject({
      kind: 'service',
      owner: `${provider.url}|robot`,
      name: 'robot',
      groups: [`${provider.url}|lab`],
      roles: ['user'],
      tasks: {},
    });
    expect((await me(`Bearer ${await provider.tokenOf('operator', AUDIENCE)}`)).json).toMatchObject({ roles: ['admin', 'user'] });
    expect((await me(as('ann').authorization)).json).toMatchObject({ owner: 'basic|ann' });
  });

  it('keeps the tasks of a token and those of a password apart', async () => {
    const headers = { authorization: `Bearer ${await provider.tokenOf('robot', AUDIENCE)}` };
    const id = await gateway.create('ann');
    expect((await gateway.send('GET', `/v1/tasks/${id}`, { headers })).status).toBe(404);
    expect((await gateway.send('GET', '/v1/tasks', { headers })).json).toMatchObject({ tasks: [] });
    const operator = { authorization: `Bearer ${await provider.tokenOf('operator', AUDIENCE)}` };
    expect((await gateway.send('GET', `/v1/tasks/${id}`, { headers: operator })).status).toBe(200);
  });

  it('refuses a JWT for another audience, and asks for both schemes', async () => {
    const { status, headers } = await gateway.send('GET', '/ext/v1/me', {
      headers: { authorization: `Bearer ${await provider.tokenOf('robot', 'https://other.example')}` },
    });
    expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer realm="tes-gateway", Basic realm="tes-gateway", charset="UTF-8"']);
    expect((await gateway.send('GET', '/docs-json')).json).toMatchObject({ security: [{ BearerAuth: [] }, { BasicAuth: [] }] });
  });

  it('asks about no more than so many opaque tokens that one address makes up, and about those of others', async () => {
    const ask = async (token: string, from: string): Promise<number> =>
      (await gateway.send('GET', '/ext/v1/me', { headers: { authorization: `Bearer ${token}` }, from })).status;
    const before = provider.asked();
    const statuses: number[] = [];
    for (let at = 0; at < 300; at += 1) statuses.push(await ask(`made-up-${at}`, '127.0.5.1'));
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(provider.asked() - before).toBe(statuses.filter((status) => status === 401).length);
    expect(await ask('another', '127.0.5.2')).toBe(401);
    expect(await ask(await provider.tokenOf('robot', AUDIENCE), '127.0.5.1')).toBe(200);
  });

  it('asks about an opaque token, and refuses one that is unknown or for nobody', async () => {
    expect((await me('Bearer made-up')).status).toBe(401);
    expect((await me(`Bearer ${await provider.tokenOf('stranger')}`)).status).toBe(401);
  });
});

describe('operations that need scopes of a provider', () => {
  it.each(['', '/opaque'])('are refused to a token that lacks them, with what it lacks%s', async (kind) => {
    const provider = await startProvider();
    const audience = AUDIENCE + kind;
    const issuers = `[{url: "${provider.url}", audience: "${audience}", client_id: gateway, client_secret: "${SECRET}", introspection: true,
      scopes: {read: "tes:read", create: "tes:write", cancel: "tes:write"}}]`;
    const gateway = await GuardedGateway.start([], '--auth.schemes=[oidc, token]', `--auth.oidc.issuers=${issuers}`);
    try {
      const body = JSON.stringify({ executors: [{ image: 'x', command: ['true'] }] });
      const send = async (method: string, path: string, scope: string, sent = body) => {
        const headers = { authorization: `Bearer ${await provider.tokenOf('robot', audience, scope)}` };
        return gateway.send(method, path, { headers, ...(method === 'POST' && { body: sent }) });
      };
      expect((await send('GET', '/ext/v1/me', 'tes:read')).json).toMatchObject({ roles: ['user'], scopes: ['read'] });
      const refused = await send('POST', '/v1/tasks', 'tes:read');
      expect([refused.status, refused.json, refused.headers['www-authenticate']]).toEqual([
        403,
        { code: 'FORBIDDEN', message: 'the token does not cover this: it lacks the scope tes:write' },
        'Bearer realm="tes-gateway", error="insufficient_scope", scope="tes:write"',
      ]);
      expect((await send('POST', '/v1/tasks', 'tes:read tes:write')).status).toBe(200);
      // No token that covers less makes one that covers more.
      expect((await send('POST', '/ext/v1/me/tokens', 'tes:read', '{"name": "x"}')).status).toBe(403);
      expect((await send('POST', '/ext/v1/me/tokens', 'tes:read tes:write', '{"name": "x"}')).status).toBe(201);
      expect((await send('GET', '/ext/v1/me', 'tes')).json).toMatchObject({ code: 'FORBIDDEN' });
    } finally {
      await gateway.stop();
      await provider.stop();
    }
  });
});

describe('Swagger UI', () => {
  let provider: OpenIdProvider;
  let gateway: GuardedGateway;
  beforeAll(async () => {
    provider = await startProvider();
    const issuers = `[{url: "${provider.url}", audience: "${AUDIENCE}", docs_client_id: docs, scopes: {read: tes}}]`;
    gateway = await GuardedGateway.start([], '--auth.schemes=[oidc, token, basic]', `--auth.oidc.issuers=${issuers}`);
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.stop();
  });

  it('knows every scheme that is on, and where and as which client people log in', async () => {
    expect((await gateway.send('GET', '/docs-json')).json).toMatchObject({
      security: [{ BearerAuth: [] }, { BasicAuth: [] }, { OpenID: [] }],
      components: {
        securitySchemes: {
          BearerAuth: { type: 'http', scheme: 'bearer' },
          BasicAuth: { type: 'http', scheme: 'basic' },
          OpenID: { type: 'openIdConnect', openIdConnectUrl: `${provider.url}/.well-known/openid-configuration` },
        },
      },
    });
    const { text } = await gateway.send('GET', '/docs/swagger-ui-init.js');
    const [, options = ''] = /let options = (\{.*?\n\});?\n/s.exec(text) ?? [];
    expect((JSON.parse(options) as { customOptions: unknown }).customOptions).toMatchObject({
      initOAuth: { clientId: 'docs', scopes: ['openid', 'tes'], usePkceWithAuthorizationCodeGrant: true },
    });
  });

  it('has people come back to it from the provider with a code, and gets a token for that, by PKCE', async () => {
    const cookies = new Map<string, string>();
    /** As a browser: with cookies, but it goes where it is sent only when it is told to. */
    const browse = async (address: string, form?: Record<string, string>): Promise<Response> => {
      const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
      const posted = form && { method: 'POST', body: new URLSearchParams(form) };
      const answer = await fetch(new URL(address, provider.url), { redirect: 'manual', headers, ...posted });
      for (const [name = '', value = ''] of answer.headers.getSetCookie().map((line) => line.split(';', 1)[0]?.split('=', 2) ?? []))
        cookies.set(name, value);
      return answer;
    };
    const next = ({ headers }: Response): string => headers.get('location') ?? '';
    const verifier = 'v'.repeat(43);
    const asked = new URLSearchParams({
      client_id: 'docs',
      response_type: 'code',
      scope: 'openid tes',
      state: 'sent',
      redirect_uri: `http://127.0.0.1:${gateway.port}/oauth2-redirect.html`,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    let place = next(await browse(`/auth?${asked.toString()}`));
    for (const form of [{ prompt: 'login', login: 'ann', password: 'any' }, { prompt: 'consent' }])
      place = next(await browse(next(await browse(place, form))));
    const back = await fetch(place, { redirect: 'manual' });
    const page = next(back);
    expect([back.status, page]).toEqual([302, expect.stringMatching(/^\/docs\/oauth2-redirect\.html\?code=[^&]+&state=sent/)]);
    expect((await gateway.send('GET', page)).text).toContain('oauth2-redirect.js');
    // The page asks the provider itself.
    expect((await gateway.send('GET', '/docs')).headers['content-security-policy']).toMatch(`connect-src 'self' ${provider.url};`);
    expect((await gateway.send('GET', '/docs/oauth2-redirect.js')).status).toBe(200);

    const exchange = {
      grant_type: 'authorization_code',
      client_id: 'docs',
      code: new URL(place).searchParams.get('code') ?? '',
      redirect_uri: asked.get('redirect_uri') ?? '',
      code_verifier: verifier,
    };
    const { access_token: token } = (await (await browse('/token', exchange)).json()) as { access_token: string };
    const me = await gateway.send('GET', '/ext/v1/me', { headers: { authorization: `Bearer ${token}` } });
    expect(me.json).toMatchObject({ kind: 'user', owner: `${provider.url}|ann` });
  });
});

describe('an opaque token of an OpenID provider', () => {
  it('is taken for whom the provider says that it is of', async () => {
    const audience = `${AUDIENCE}/opaque`;
    const provider = await startProvider();
    const gateway = await GuardedGateway.start([], '--auth.schemes=[oidc]', trusting(provider, audience));
    try {
      const token = await provider.tokenOf('robot', audience);
      expect(token).not.toContain('.');
      const answer = await gateway.send('GET', '/ext/v1/me', { headers: { authorization: `Bearer ${token}` } });
      expect(answer.json).toMatchObject({ kind: 'service', owner: `${provider.url}|robot`, roles: ['user'] });
    } finally {
      await gateway.stop();
      await provider.stop();
    }
  });
});
