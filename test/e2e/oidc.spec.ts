import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';
import { allowInsecureRequests, clientCredentialsGrant, discovery } from 'openid-client';
import { as, GuardedGateway } from './guarded-gateway';

const AUDIENCE = 'https://tes.example';
const SECRET = 'a secret of forty characters, or nearly so';

/** An OpenID provider with clients `robot`, `operator` and `stranger`, whose tokens are JWTs when they name a resource, else opaque. */
function providerAt(url: string): Provider {
  const clients = ['robot', 'operator', 'stranger', 'gateway'].map((client_id) => ({
    client_id,
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic' as const,
  }));
  const configuration: Configuration = {
    clients,
    scopes: ['tes'],
    // A client that acts for itself is what it is called.
    extraTokenClaims: (_context, token) => ({ roles: token.clientId === 'operator' ? ['tes-admin'] : ['tes-user'], groups: ['lab'] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_context, client) => client.clientId === 'gateway' },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        getResourceServerInfo: (_context, resource) => ({
          scope: 'tes',
          audience: resource,
          accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
          accessTokenTTL: 300,
        }),
      },
    },
  };
  return new Provider(url, configuration);
}

interface Running {
  readonly url: string;
  /** Questions about tokens. */
  asked(): number;
  tokenOf(client: string, resource?: string): Promise<string>;
  stop(): Promise<unknown>;
}

async function startProvider(): Promise<Running> {
  // It warns that it keeps nothing.
  for (const word of ['warn', 'info'] as const) jest.spyOn(console, word).mockImplementation();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const callback = providerAt(url).callback();
  let asked = 0;
  server.on('request', (request, answer) => {
    if (request.url === '/token/introspection') asked += 1;
    void callback(request, answer);
  });
  return {
    url,
    asked: () => asked,
    async tokenOf(client, resource) {
      const found = await discovery(new URL(url), client, SECRET, undefined, { execute: [allowInsecureRequests] });
      return (await clientCredentialsGrant(found, { scope: 'tes', ...(resource !== undefined && { resource }) })).access_token;
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Settings that trust it for tokens meant for this audience. */
const trusting = ({ url }: Running, audience: string): string =>
  `--auth.oidc.issuers=[{url: "${url}", audience: "${audience}", roles_claim: roles, admin_values: [tes-admin], client_id: gateway,
    client_secret: "${SECRET}", introspection: true}]`;

afterAll(() => jest.restoreAllMocks());

describe('a login by an OpenID provider, beside one by name and password', () => {
  let provider: Running;
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
    expect(answer.json).toEqual({
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
