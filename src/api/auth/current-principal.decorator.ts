import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Unauthenticated } from '../../ports/errors';
import type { Principal } from '../../ports/authenticator';

const PRINCIPAL = Symbol('principal');
const FAILED_OWNER = Symbol('failed owner');

interface RequestWithPrincipal extends FastifyRequest {
  [PRINCIPAL]?: Principal;
  [FAILED_OWNER]?: string;
}

export function setPrincipal(request: RequestWithPrincipal, principal: Principal): void {
  request[PRINCIPAL] = principal;
}

export function principalOf(request: RequestWithPrincipal): Principal | undefined {
  return request[PRINCIPAL];
}

/** Whose login it would have been. */
export function setFailedOwner(request: RequestWithPrincipal, owner: string): void {
  request[FAILED_OWNER] = owner;
}

export function failedOwnerOf(request: RequestWithPrincipal): string | undefined {
  return request[FAILED_OWNER];
}

/** Who is asking, as the AuthGuard found out. A route without the guard has nobody, and that is refused. */
export const CurrentPrincipal = createParamDecorator((_data: undefined, context: ExecutionContext): Principal => {
  const principal = principalOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (principal) return principal;
  throw new Unauthenticated('not authenticated');
});
