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
  const told = { status, address: clientAddress(request), ...taskOf(request, payload) };
  const principal = principalOf(request);
  if (principal) {
    const { audited: event } = rulesOf(request.routeOptions);
    const { owner, name, roles } = principal;
    return event === undefined ? undefined : { event, owner, name, roles, ...told };
  }
  // Who sends no credentials has not tried any.
  if (status !== 401 || request.headers.authorization === undefined) return undefined;
  const owner = failedOwnerOf(request);
  return { event: 'failed-login', ...(owner !== undefined && { owner }), ...told };
}

/** The task that the path names, or the one that was made. */
function taskOf({ params }: FastifyRequest, payload: unknown): Pick<AuditEntry, 'task'> {
  const [named] = Object.values((params ?? {}) as Readonly<Record<string, string>>);
  if (named !== undefined) return { task: named.replace(/:[a-z-]+$/, '') };
  const made = typeof payload === 'string' ? /^\{"id":"([0-9A-Za-z]+)"\}$/.exec(payload)?.[1] : undefined;
  return made === undefined ? {} : { task: made };
}
