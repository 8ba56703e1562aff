import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration } from 'oidc-provider';
import { allowInsecureRequests, clientCredentialsGrant, discovery } from 'openid-client';

export const AUDIENCE = 'https://tes.example';
/** Of every client. */
export const SECRET = 'a secret of forty characters, or nearly so';

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
    clients: [
      ...clients,
      // Of people's browsers: it has no secret. Of a native one any port of a loopback address is that address.
      {
        client_id: 'docs',
        application_type: 'native',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: ['http://127.0.0.1/oauth2-redirect.html'],
        token_endpoint_auth_method: 'none',
      },
    ],
    pkce: { required: () => true },
    scopes: ['tes', 'tes:read', 'tes:write'],
    // A client that acts for itself is what it is called.
    extraTokenClaims: (_context, token) => ({ roles: token.clientId === 'operator' ? ['tes-admin'] : ['tes-user'], groups: ['lab'] }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_context, client) => client.clientId === 'gateway' },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context, client) => (client?.clientId === 'docs' ? AUDIENCE : []),
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'tes tes:read tes:write',
          audience: resource,
          accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
          accessTokenTTL: 300,
        }),
      },
    },
  };
  return new Provider(url, configuration);
}

export interface OpenIdProvider {
  /** On loopback; what it calls itself. */
  readonly url: string;
  /** Questions about tokens. */
  asked(): number;
  /** With `tes` unless `scope` says otherwise. */
  tokenOf(client: string, resource?: string, scope?: string): Promise<string>;
  stop(): Promise<unknown>;
}

export async function startProvider(): Promise<OpenIdProvider> {
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
    async tokenOf(client, resource, scope = 'tes') {
      const found = await discovery(new URL(url), client, SECRET, undefined, { execute: [allowInsecureRequests] });
      return (await clientCredentialsGrant(found, { scope, ...(resource !== undefined && { resource }) })).access_token;
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
