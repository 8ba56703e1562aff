import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { Authenticator, BrowserLogin } from '../../ports/authenticator';
import type { ApiSettings } from '../api-settings';
import { forwardedPrefix } from './forwarded-prefix';
import { TES_PATHS } from '../tes-paths';

/** Where TES lives; paths of the document are relative to it, as in the official one. */
const TES_BASE = `/${TES_PATHS[0]}`;

/** As the official document calls them; one of those that are on is enough. */
const SECURITY_NAMES = { basic: 'BasicAuth', bearer: 'BearerAuth' } as const;

/** Swagger UI at `/docs`, the document at `/docs-json` and `/docs-yaml`, built when it is first asked for. Call it before init. */
export function serveDocumentation(
  app: NestFastifyApplication,
  version: string,
  settings: Pick<ApiSettings, 'proxies'>,
  authenticators: readonly Authenticator[],
): void {
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup('docs', app, () => (document ??= describeApi(app, version, authenticators)), {
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
    customSiteTitle: 'tes-gateway',
    // It would send the address of this server to a third party.
    swaggerOptions: { validatorUrl: 'none', ...loginOf(authenticators) },
    patchDocumentOnRequest: (request, _reply, document) => below(forwardedPrefix(request as FastifyRequest, settings), document),
  });
}

/** The page comes back from the provider to `oauth2-redirect.html` beside it (`RootController`). */
function loginOf(authenticators: readonly Authenticator[]): object {
  const login = browserLoginOf(authenticators);
  return login ? { initOAuth: { clientId: login.clientId, scopes: login.scopes, usePkceWithAuthorizationCodeGrant: true } } : {};
}

function browserLoginOf(authenticators: readonly Authenticator[]): BrowserLogin | undefined {
  return authenticators.flatMap((one) => one.browserLogin?.() ?? [])[0];
}

/** As clients reach it that come through a proxy. */
function below(prefix: string, document: OpenAPIObject): OpenAPIObject {
  if (prefix === '') return document;
  const moved = (servers: OpenAPIObject['servers'] = []): NonNullable<OpenAPIObject['servers']> =>
    servers.map((server) => ({ ...server, url: prefix + server.url }));
  const paths = Object.entries(document.paths).map(([path, item]) => [
    path,
    item.servers ? { ...item, servers: moved(item.servers) } : item,
  ]);
  return { ...document, servers: moved(document.servers), paths: Object.fromEntries(paths) as OpenAPIObject['paths'] };
}

/** The OpenAPI document: TES as clients call it, and below it the routes outside of TES, each with a server of its own. */
export function describeApi(app: NestFastifyApplication, version: string, authenticators: readonly Authenticator[]): OpenAPIObject {
  const description = new DocumentBuilder()
    .setTitle('tes-gateway')
    .setDescription('GA4GH Task Execution Service 1.1, also served under `/v1`, and what this server adds to it under `/ext/v1`.')
    .setVersion(version)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer(TES_BASE)
    .addTag('TaskService', 'GA4GH TES 1.1')
    .addTag('Extensions', 'What TES has no words for');
  for (const httpScheme of new Set(authenticators.flatMap((one) => one.httpScheme ?? []))) {
    const name = SECURITY_NAMES[httpScheme];
    description.addSecurity(name, { type: 'http', scheme: httpScheme }).addSecurityRequirements(name);
  }
  const login = browserLoginOf(authenticators);
  if (login) {
    const openIdConnectUrl = `${login.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    description.addSecurity('OpenID', { type: 'openIdConnect', openIdConnectUrl }).addSecurityRequirements('OpenID');
  }
  const document = SwaggerModule.createDocument(app, description.build());
  return { ...document, paths: asClientsCallThem(document.paths) };
}

/** The controllers serve TES under several bases, and `{id}:cancel` as one segment; the document shows each once, as it is called. */
function asClientsCallThem(paths: OpenAPIObject['paths']): OpenAPIObject['paths'] {
  const shown: OpenAPIObject['paths'] = {};
  for (const [path, item] of Object.entries(paths)) {
    if (path.startsWith(`${TES_BASE}/`)) shown[path.slice(TES_BASE.length).replace('{idAction}', '{id}:cancel')] = item;
    else if (!path.startsWith('/v1/') && path !== '/service-info')
      shown[path.replace('{idRestore}', '{id}:restore-outputs')] = { ...item, servers: [{ url: '/' }] };
  }
  return shown;
}
