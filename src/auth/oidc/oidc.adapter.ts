import type { AuthenticatorAdapter, SettingsPage, ValuesOf } from '../../ports/adapter';
import { TOKEN_SCOPES } from '../../ports/authenticator';
import { isLoopback } from '../../ports/host-name';
import { isObject } from '../../task/plain-object';
import type { IssuerEntry } from './claims';

const TEXTS = ['url', 'audience', 'groups_claim', 'roles_claim', 'scopes_claim', 'client_id', 'client_secret', 'docs_client_id'];
/** RFC 6749, 3.3: it is told to clients in a header. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const LISTS = ['admin_values', 'viewer_values', 'user_values'];

const settings = {
  issuers: {
    doc: 'OpenID providers whose tokens are taken, a list of `{url, audience, groups_claim, roles_claim, admin_values, viewer_values, user_values, scopes_claim, scopes: {read, create, cancel, admin}, client_id, client_secret, introspection, docs_client_id}`; `url` and `audience` are needed. What each means: `src/auth/README.md`',
    format: {
      test: (value: unknown) => Array.isArray(value) && value.every(isEntry),
      words: `a list of {${[...TEXTS, ...LISTS].join(', ')}, scopes, introspection} with url and audience`,
      mask: (value: unknown) =>
        (value as readonly IssuerEntry[]).map((issuer) =>
          issuer.client_secret === undefined ? issuer : { ...issuer, client_secret: '[masked]' },
        ),
      schema: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            ...Object.fromEntries(TEXTS.map((name) => [name, { type: 'string' }])),
            ...Object.fromEntries(LISTS.map((name) => [name, { type: 'array', items: { type: 'string' } }])),
            scopes: {
              type: 'object',
              properties: Object.fromEntries(TOKEN_SCOPES.map((scope) => [scope, { type: 'string' }])),
              additionalProperties: false,
            },
            introspection: { type: 'boolean' },
          },
          required: ['url', 'audience'],
          additionalProperties: false,
        },
      },
    },
    default: [] as readonly IssuerEntry[],
    sensitive: true,
  },
} satisfies SettingsPage;

/** Tokens of OpenID providers. */
export const oidcAuthentication: AuthenticatorAdapter<ValuesOf<typeof settings>> = {
  type: 'oidc',
  doc: 'tokens of OpenID providers',
  settings,
  faults({ issuers }) {
    const urls = issuers.map(({ url }) => url);
    return [
      ...(issuers.length === 0 ? ['issuers: there are none: nobody could log in'] : []),
      ...issuers.flatMap((issuer, index) =>
        faultsOf(issuer, urls.indexOf(issuer.url) < index).map((fault) => `issuers[${index}].${fault}`),
      ),
    ];
  },
  async create({ issuers }, { failedLoginsPerMinute }) {
    const { OidcAuthenticator } = await import('./oidc.authenticator.js');
    const { Issuer } = await import('./issuer.js');
    const { failedLoginLimits, FailedLogins } = await import('../shared/failed-logins.js');
    const limits = failedLoginLimits(failedLoginsPerMinute);
    return new OidcAuthenticator(
      issuers.map((entry) => new Issuer(entry)),
      { jwts: new FailedLogins(limits), opaque: new FailedLogins(limits) },
    );
  },
};

function faultsOf(entry: IssuerEntry, isTwice: boolean): string[] {
  const { url, introspection, client_id: id, client_secret: secret, scopes, scopes_claim: claim, admin_values: admins } = entry;
  const address = URL.parse(url);
  const isSafe = address?.protocol === 'https:' || (address?.protocol === 'http:' && isLoopback(address.host));
  return [
    ...(isSafe && !/[|?#]/.test(url) ? [] : ['url: must be an https address without a query (http on a loopback address only)']),
    ...(isTwice ? ['url: is there twice'] : []),
    ...(introspection === true && (id === undefined || secret === undefined) ? ['introspection: needs client_id and client_secret'] : []),
    ...Object.entries(scopes ?? {}).flatMap(([name, word]) =>
      SCOPE.test(word) ? [] : [`scopes.${name}: must be one word, as a provider writes it`],
    ),
    ...(claim !== undefined && scopes === undefined ? ['scopes_claim: needs scopes'] : []),
    ...(scopes?.admin !== undefined && admins === undefined ? ['scopes.admin: nobody is an admin without admin_values'] : []),
  ];
}

function isScope(name: string): boolean {
  return (TOKEN_SCOPES as readonly string[]).includes(name);
}

function isEntry(value: unknown): value is IssuerEntry {
  if (!isObject(value) || typeof value['url'] !== 'string' || typeof value['audience'] !== 'string' || value['audience'] === '')
    return false;
  return Object.entries(value).every(([name, one]) => {
    if (TEXTS.includes(name)) return typeof one === 'string' && one !== '';
    if (LISTS.includes(name)) return Array.isArray(one) && one.every((word) => typeof word === 'string');
    if (name === 'scopes') return isObject(one) && Object.entries(one).every(([scope, word]) => isScope(scope) && typeof word === 'string');
    return name === 'introspection' && typeof one === 'boolean';
  });
}
