import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Authenticator, type Principal, ROLES } from '../../ports/authenticator';
import type { Audit } from '../../ports/audit';
import { Forbidden, InsufficientScope, Unauthenticated } from '../../ports/errors';
import { clientAddress } from './client-address';
import { setFailedOwner, setPrincipal } from './current-principal.decorator';
import { LastLogins } from './last-logins';
import type { RequestRates } from './request-rates';
import { type RouteRules, rulesOf } from './route-rules';

export interface GuardOptions {
  /** In the order in which they are tried. */
  readonly authenticators: readonly Authenticator[];
  /** Kinds of routes that need no login (`auth.open`). */
  readonly open: readonly string[];
  readonly rates: RequestRates;
  /** Absent = nobody wants to know. */
  readonly audit?: Audit;
}

/**
 * Asks on every route who is calling: a hook of the router, which runs when the route has been found, so that no spelling of a path gets
 * round it, after CORS and the checks of `Host` and origin, and before anything of the body is read. The first authenticator that
 * recognises its scheme decides. A path that no route has is 404 for everybody.
 */
export function guardRoutes(server: FastifyInstance, { authenticators, open, rates }: GuardOptions): void {
  /** Ends what authenticators wait for when the server stops; their own time limits are theirs. */
  const stopping = new AbortController();
  server.addHook('preClose', (done) => {
    stopping.abort();
    done();
  });

  const lastLogins = new LastLogins();
  const isAlone = authenticators.every(({ challenge }) => challenge === undefined);
  const whoAsks = async (request: FastifyRequest): Promise<Principal> => {
    const credentials = { headers: request.headers, address: clientAddress(request) };
    for (const authenticator of authenticators) {
      const principal = await authenticator.authenticate(credentials, stopping.signal);
      if (!principal) continue;
      lastLogins.letIn(request, principal, authenticator);
      return principal;
    }
    throw new Unauthenticated('authentication is required');
  };

  server.addHook('preParsing', async (request, reply) => {
    if (request.is404) return;
    const rules = rulesOf(request.routeOptions);
    if (rules.open !== undefined && open.includes(rules.open)) return;
    try {
      if (!isAlone && hasTwo(request.raw.rawHeaders, 'authorization')) throw new Unauthenticated('more than one Authorization header');
      const principal = lastLogins.of(request) ?? (await whoAsks(request));
      setPrincipal(request, principal);
      // First: an admin whose token covers less has not the role, either.
      checkScope(principal, rules, request.method);
      checkRoles(principal, rules);
      if (rules.counted !== undefined) rates.count(rules.counted, principal, clientAddress(request));
    } catch (error) {
      if (error instanceof Unauthenticated) {
        if (error.owner !== undefined) setFailedOwner(request, error.owner);
        // RFC 9110 11.6.1: what the client may try.
        reply.header('www-authenticate', [...new Set(authenticators.flatMap(({ challenge }) => challenge ?? []))]);
      }
      if (error instanceof InsufficientScope)
        reply.header('www-authenticate', `Bearer realm="tes-gateway", error="insufficient_scope", scope="${error.scope}"`);
      throw error;
    }
  });
}

function checkRoles(principal: Principal, { roles = ROLES }: RouteRules): void {
  if (roles.length === 0 || roles.some((role) => principal.roles.includes(role))) return;
  throw new Forbidden(`only who has the role ${roles.join(' or ')} may do this`);
}

function checkScope({ scopes, lacking }: Principal, rules: RouteRules, method: string): void {
  if (scopes === undefined) return;
  const { scope = method === 'GET' || method === 'HEAD' ? 'read' : undefined } = rules;
  if (scope !== undefined && scopes.includes(scope)) return;
  if (scope === undefined && lacking === undefined) throw new Forbidden('no token may do this: log in by other means');
  // What names no scope is for whoever may do everything.
  const words = scope === undefined ? Object.values(lacking ?? {}) : [lacking?.[scope] ?? scope];
  const needed = [...new Set(words)].join(' ');
  throw new InsufficientScope(`the token does not cover this: it lacks the scope ${needed}`, needed);
}

/** Node gives the first of them alone, and a proxy in front may have checked the other. `rawHeaders`: name, value, name, value. */
function hasTwo(rawHeaders: readonly string[], name: string): boolean {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] ?? '';
    if (header.length === name.length && header.toLowerCase() === name) count += 1;
  }
  return count > 1;
}
