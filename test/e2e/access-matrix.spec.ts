import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyFile } from '../../src/credentials/key-file';
import { exchange } from '../unit/api/raw-http';
import { ScriptedProvider, signingKey } from '../unit/auth/oidc/scripted-provider';
import { as, basic, GuardedGateway } from './guarded-gateway';

/**
 * Every route of the server, and what each kind of caller is answered. `owner` created the task, `mate` and `watcher` (a viewer) share a group
 * with it, `stranger` and `outsider` (a viewer) do not; `removed` had a login. `token` and what stands after it are personal API tokens:
 * `token` and `reader` are the owner's, with all that a user has and with `read` alone; `root` is the admin's with every scope, `plain` one
 * of the admin's without `admin`; two are no longer good. The last are JWTs of a provider of which operations need scopes: `jwt` and
 * `jwtReader` are of a user with all of them and with that for `read` alone, `jwtRoot` and `jwtPlain` of an admin with all, and without that of admins.
 */
const CALLERS = [
  ...(['none', 'bad', 'removed', 'twice', 'expired', 'revoked'] as const),
  ...(['owner', 'stranger', 'mate', 'watcher', 'outsider', 'admin'] as const),
  ...(['token', 'reader', 'root', 'plain'] as const),
  ...(['jwt', 'jwtReader', 'jwtRoot', 'jwtPlain'] as const),
];
type Caller = (typeof CALLERS)[number];
const REFUSED = [401, 401, 401, 401, 401, 401];

const OPEN = CALLERS.map(() => 200);
const LOGIN = [...REFUSED, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200];
const CREATE = [...REFUSED, 200, 200, 200, 403, 403, 200, 200, 403, 200, 200, 200, 403, 200, 200];
const READ = [...REFUSED, 200, 404, 200, 200, 404, 200, 200, 200, 200, 404, 404, 404, 200, 404];
const CANCEL = [...REFUSED, 200, 404, 200, 403, 404, 200, 200, 403, 200, 404, 404, 403, 200, 404];
const RESTORE = [...REFUSED, 403, 404, 403, 403, 404, 409, 403, 403, 409, 403, 404, 403, 409, 403];
const FIGURES = [...REFUSED, 403, 403, 403, 200, 200, 200, 403, 403, 200, 403, 403, 403, 200, 403];
const LEADS_ON = CALLERS.map(() => 302);
const MAKE_TOKEN = [...REFUSED, 201, 201, 201, 201, 201, 201, 403, 403, 403, 403, 201, 403, 201, 403];
const SAVE_CREDENTIAL = [...REFUSED, 200, 200, 200, 200, 200, 200, 403, 403, 403, 403, 200, 403, 200, 403];
const REVOKE_OWN = [...REFUSED, 404, 404, 404, 404, 404, 404, 403, 403, 403, 403, 404, 403, 404, 403];
const forAdmins = (asAdmin: number, asToken: number): readonly number[] => [
  ...REFUSED,
  ...[403, 403, 403, 403, 403, asAdmin],
  ...[403, 403, asToken, 403],
  ...[403, 403, asAdmin, 403],
];

const tes = (base: string): Record<string, readonly number[]> => ({
  [`GET ${base}/tasks`]: LOGIN,
  [`POST ${base}/tasks`]: CREATE,
  [`GET ${base}/tasks/:id`]: READ,
  [`POST ${base}/tasks/:idAction`]: CANCEL,
  [`DELETE ${base}/tasks/:idAction`]: CANCEL,
  [`GET ${base}/service-info`]: OPEN,
  [`GET ${base}/tasks/service-info`]: OPEN,
});

const ROWS: Record<string, readonly number[]> = {
  ...tes('/ga4gh/tes/v1'),
  ...tes('/v1'),
  'GET /service-info': OPEN,
  'GET /tasks/service-info': OPEN,
  'GET /ext/v1/tasks/:id': READ,
  'POST /ext/v1/tasks/:idRestore': RESTORE,
  'GET /ext/v1/tasks/:id/logs/:executor/:stream': READ,
  'GET /ext/v1/backends': LOGIN,
  'GET /ext/v1/me': LOGIN,
  'GET /ext/v1/me/credentials': LOGIN,
  'PUT /ext/v1/me/credentials': SAVE_CREDENTIAL,
  'DELETE /ext/v1/me/credentials': REVOKE_OWN,
  'GET /ext/v1/me/registries': LOGIN,
  'PUT /ext/v1/me/registries': SAVE_CREDENTIAL,
  'DELETE /ext/v1/me/registries': REVOKE_OWN,
  'GET /ext/v1/me/tokens': LOGIN,
  'POST /ext/v1/me/tokens': MAKE_TOKEN,
  'DELETE /ext/v1/me/tokens/:token': REVOKE_OWN,
  'GET /ext/v1/users': forAdmins(200, 200),
  'GET /ext/v1/users/:owner/tokens': forAdmins(200, 200),
  'POST /ext/v1/users/:owner/tokens': forAdmins(201, 403),
  'DELETE /ext/v1/users/:owner/tokens': forAdmins(200, 200),
  'DELETE /ext/v1/users/:owner/tokens/:token': forAdmins(404, 404),
  'GET /': LEADS_ON,
  'GET /oauth2-redirect.html': LEADS_ON,
  'GET /docs': OPEN,
  'GET /docs/': OPEN,
  'GET /docs/*': OPEN,
  'GET /docs/LICENSE': CALLERS.map(() => 404),
  'GET /docs/index.html': OPEN,
  'GET /docs/swagger-ui-init.js': OPEN,
  'GET /docs/docs/swagger-ui-init.js': OPEN,
  'GET /docs-json': OPEN,
  'GET /docs-yaml': OPEN,
  'GET /healthz': OPEN,
  'GET /readyz': OPEN,
  'GET /metrics': FIGURES,
};

describe('who may call which route', () => {
  const everybody = ['owner', 'stranger', 'mate', 'watcher', 'outsider', 'admin'];
  const users = `[{name: owner, groups: [lab]}, {name: mate, groups: [lab, other]}, {name: watcher, roles: [viewer], groups: [lab]},
    {name: outsider, roles: [viewer]}, {name: admin, roles: [admin]}]`;
  let gateway: GuardedGateway;
  let provider: ScriptedProvider;
  let id: string;
  let directory: string;
  beforeAll(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), 'matrix-'));
    await new KeyFile(join(directory, 'keys')).add();
    provider = await ScriptedProvider.start();
    const key = await signingKey('one');
    provider.keys = [key];
    const issuers = `[{url: "${provider.url}", audience: tes, roles_claim: roles, admin_values: [root],
      scopes: {read: "tes:read", create: "tes:write", cancel: "tes:write", admin: "tes:admin"}}]`;
    const settings = [
      `--credentials.key_file=${join(directory, 'keys')}`,
      '--auth.schemes=[basic, token, oidc]',
      `--auth.oidc.issuers=${issuers}`,
      '--auth.access=group',
      `--auth.basic.users=${users}`,
    ];
    gateway = await GuardedGateway.start([...everybody, 'removed'], ...settings);
    const isLetIn = async (): Promise<boolean> => (await gateway.send('GET', '/v1/tasks', { headers: as('removed') })).status === 200;
    expect(await isLetIn()).toBe(true);
    await gateway.setUsers(everybody);
    while (await isLetIn());
    id = await gateway.create('owner');
    const tokens = {
      token: await gateway.token('owner'),
      reader: await gateway.token('owner', { scopes: ['read'] }),
      root: await gateway.token('admin', { scopes: ['read', 'create', 'cancel', 'admin'] }),
      plain: await gateway.token('admin'),
      revoked: await gateway.token('owner'),
      // The last: making another one would delete it.
      expired: await gateway.token('owner', { expires_in_days: 1e-9 }),
    };
    for (const [caller, { authorization }] of Object.entries(tokens)) headersOf[caller as Caller] = { authorization };
    const jwts = {
      jwt: { sub: 'user', scope: 'tes:read tes:write' },
      jwtReader: { sub: 'user', scope: 'tes:read' },
      jwtRoot: { sub: 'root', roles: ['root'], scope: 'tes:read tes:write tes:admin' },
      jwtPlain: { sub: 'root', roles: ['root'], scope: 'tes:read tes:write' },
    };
    for (const [caller, claims] of Object.entries(jwts))
      headersOf[caller as Caller] = { authorization: `Bearer ${await provider.token(key, claims)}` };
    const revoked = await gateway.send('DELETE', `/ext/v1/me/tokens/${tokens.revoked.id}`, { headers: as('owner') });
    expect(revoked.status).toBe(200);
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.stop();
    await fs.rm(directory, { recursive: true });
  });

  const headersOf: Partial<Record<Caller, Record<string, string | string[]>>> = {
    none: {},
    bad: basic('owner:wrong'),
    removed: as('removed'),
    // The second one is good as well: whoever looks at one of them must not be misled by another.
    twice: { authorization: [as('owner').authorization, as('admin').authorization] },
    owner: as('owner'),
    stranger: as('stranger'),
    mate: as('mate'),
    watcher: as('watcher'),
    outsider: as('outsider'),
    admin: as('admin'),
  };

  const target = (template: string): string =>
    template
      .replace(':idAction', `${id}:cancel`)
      .replace(':idRestore', `${id}:restore-outputs`)
      .replace(':id', id)
      .replace(':executor', '0')
      .replace(':stream', 'stdout')
      .replace(':owner', 'basic%7Cnobody')
      .replace(':token', '0'.repeat(24))
      .replace(/me\/credentials$/, '$&?prefix=https://nowhere')
      .replace(/me\/registries$/, '$&?host=nowhere')
      .replace('*', 'swagger-ui.css');
  const bodies: Record<string, object> = {
    tasks: { executors: [{ image: 'x', command: ['true'] }] },
    tokens: { name: 'made' },
    credentials: { prefix: 'https://saved', token: 'x' },
    registries: { host: 'saved', username: 'x', password: 'y' },
  };

  it('is said below for every route that there is, HEAD being as GET', () => {
    const asked = gateway.routes.map((route) => route.replace(/^HEAD /, 'GET '));
    expect([...new Set(asked)].sort()).toEqual(Object.keys(ROWS).sort());
  });

  const withHead = Object.entries(ROWS).flatMap(([route, statuses]) =>
    route.startsWith('GET ')
      ? [[route, statuses] as const, [route.replace('GET', 'HEAD'), statuses] as const]
      : [[route, statuses] as const],
  );
  it.each(withHead.map(([route, statuses], index) => [route, statuses, index] as const))('%s', async (route, statuses, index) => {
    const [method = '', template = ''] = route.split(' ');
    // Failed logins count by address.
    const from = `127.0.1.${index + 1}`;
    const answers = await Promise.all(
      CALLERS.map(async (caller) => {
        const body = ['POST', 'PUT'].includes(method) ? bodies[template.split('/').at(-1) ?? ''] : undefined;
        const headers = headersOf[caller] ?? {};
        return gateway.send(method, target(template), { headers, from, ...(body && { body: JSON.stringify(body) }) });
      }),
    );
    expect(Object.fromEntries(CALLERS.map((caller, at) => [caller, answers[at]?.status]))).toEqual(
      Object.fromEntries(CALLERS.map((caller, at) => [caller, statuses[at]])),
    );
    for (const { status, json, headers } of answers) {
      if (status < 400) continue;
      if (method !== 'HEAD') expect(Object.keys(json as object)).toEqual(['code', 'message']);
      // A token that covers less is told what would (RFC 6750, 3).
      const lacked =
        status === 403 ? /lacks the scope (.*)$/.exec((json as { message: string } | undefined)?.message ?? '')?.[1] : undefined;
      const asked = {
        401: 'Basic realm="tes-gateway", charset="UTF-8", Bearer realm="tes-gateway"',
        403:
          method === 'HEAD'
            ? headers['www-authenticate']
            : lacked && `Bearer realm="tes-gateway", error="insufficient_scope", scope="${lacked}"`,
      }[status];
      expect([status, headers['www-authenticate']]).toEqual([status, asked]);
    }
  });

  it.each([
    '//v1//tasks',
    '/v1/tasks/',
    '/%76%31/tasks',
    '/v1/%74asks',
    '/v1/tasks?x=/docs',
    '/v1/tasks#/docs',
    '/v1/tasks?authorization=Basic%20YTpi',
    '/v1/tasks;/docs',
    '/V1/tasks',
    '/docs/../v1/tasks',
    '/docs/%2e%2e/v1/tasks',
    '/docs%2f..%2fv1/tasks',
    '/service-info/../v1/tasks',
    '/v1/../v1/tasks',
    '/healthz/../../v1/tasks',
    '/docs/..%2f..%2fpackage.json',
  ])('%s shows nobody any task who has not logged in', async (path) => {
    const { status, text } = await gateway.send('GET', path);
    expect([401, 404, 400, 403]).toContain(status);
    expect(text).not.toContain(id);
    expect(text).not.toContain('"tasks"');
  });

  it.each([
    ['is no JSON', 'content-length: 1'],
    ['would be too large', 'content-length: 1000000000'],
    ['is in an encoding that is not understood', 'content-length: 1\r\ncontent-encoding: br'],
  ])('of a body that %s nothing is read, when it comes from somebody who has not logged in', async (_what, head) => {
    const { status } = await exchange(gateway.port, `POST /v1/tasks HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${head}\r\n\r\n{`);
    expect(status).toBe(401);
  });
});
