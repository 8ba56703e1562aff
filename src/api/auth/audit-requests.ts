import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Audit, AuditEntry } from '../../ports/audit';
import { clientAddress } from './client-address';
import { failedOwnerOf, principalOf } from './current-principal.decorator';
import { rulesOf } from './route-rules';

/** Tells the audit log of acts, and of logins that failed, when their outcome is known, also when the client has gone meanwhile. */
export function auditRequests(server: FastifyInstance, audit: Audit): void {
  server.addHook('onSend', (request, reply, payload, done) => {
    const entry = request.is404 ? undefined : entryOf(request, reply.statusCode, payload);
    if (entry) audit(entry);
    done(null, payload);
  });
}

function entryOf(request: FastifyRequest, status: number, payload: unknown): AuditEntry | undefined {
  const principal = principalOf(request);
  if (principal) {
    const { audited: event } = rulesOf(request.routeOptions);
    if (event === undefined) return undefined;
    const { owner, name, roles } = principal;
    return { event, owner, name, roles, ...outcome(request, status, payload) };
  }
  // Who sends no credentials has not tried any.
  if (status !== 401 || request.headers.authorization === undefined) return undefined;
  const owner = failedOwnerOf(request);
  return { event: 'failed-login', ...(owner !== undefined && { owner }), ...outcome(request, status, payload) };
}

function outcome(request: FastifyRequest, status: number, payload: unknown): Omit<AuditEntry, 'event'> {
  return { status, address: clientAddress(request), ...objectOf(request, payload) };
}

/** What the path names, or what was made. */
function objectOf({ params }: FastifyRequest, payload: unknown): Pick<AuditEntry, 'task' | 'token' | 'tokenOf' | 'credential'> {
  const { owner: tokenOf, token = madeIn(payload, MADE_TOKEN), ...ids } = (params ?? {}) as Readonly<Record<string, string>>;
  const [named] = Object.values(ids);
  const task = named?.replace(/:[a-z-]+$/, '') ?? madeIn(payload, MADE_TASK);
  const credential = madeIn(payload, CREDENTIAL);
  return {
    ...(task !== undefined && { task }),
    ...(token !== undefined && { token }),
    ...(tokenOf !== undefined && { tokenOf }),
    ...(credential !== undefined && { credential }),
  };
}

const MADE_TASK = /^\{"id":"([0-9A-Za-z]+)"\}$/;
const MADE_TOKEN = /^\{"id":"([0-9a-f]+)",.*"token":"/s;
/** Prefixes and hosts hold no quotes. */
const CREDENTIAL = /^\{"(?:prefix|host)":"([^"\\]+)"/;

function madeIn(payload: unknown, made: RegExp): string | undefined {
  return typeof payload === 'string' ? made.exec(payload)?.[1] : undefined;
}
