import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { Authenticator, Principal } from '../../ports/authenticator';

/** After this long the credentials are looked at again, whatever the authenticator says, ms. */
const LONGEST_MS = 1000;
/** Characters of a header that is kept: of each connection there may be one. */
const LONGEST_HEADER = 4096;

interface LastLogin {
  readonly header: Buffer;
  readonly principal: Principal;
  readonly by: Authenticator;
  readonly at: number;
}

/** Whom each connection's last credentials let in. Clients send the same with every request, and looking at them anew costs a third of a GET. */
export class LastLogins {
  private readonly ofConnections = new WeakMap<Socket, LastLogin>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** `undefined` = look at the credentials. */
  of({ headers: { authorization }, socket }: FastifyRequest): Principal | undefined {
    const last = this.ofConnections.get(socket);
    if (last === undefined || authorization?.length !== last.header.length) return undefined;
    // A proxy may send requests of several users over one connection: none of them learns by the time how near another's a header was.
    if (!timingSafeEqual(Buffer.from(authorization, 'latin1'), last.header)) return undefined;
    return this.now() - last.at < LONGEST_MS && last.by.stillHolds?.(last.principal) === true ? last.principal : undefined;
  }

  letIn({ headers: { authorization }, socket }: FastifyRequest, principal: Principal, by: Authenticator): void {
    if (authorization === undefined || authorization.length > LONGEST_HEADER || by.stillHolds === undefined) return;
    this.ofConnections.set(socket, { header: Buffer.from(authorization, 'latin1'), principal, by, at: this.now() });
  }
}
