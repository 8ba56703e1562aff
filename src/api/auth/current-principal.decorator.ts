import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Unauthenticated } from '../../ports/errors';
import type { Principal } from '../../ports/authenticator';

const PRINCIPAL = Symbol('principal');

interface RequestWithPrincipal extends FastifyRequest {
  [PRINCIPAL]?: Principal;
}

export function setPrincipal(request: RequestWithPrincipal, principal: Principal): void {
  request[PRINCIPAL] = principal;
}

/** Who is asking, as the AuthGuard found out. A route without the guard has nobody, and that is refused. */
export const CurrentPrincipal = createParamDecorator((_data: undefined, context: ExecutionContext): Principal => {
  const principal = context.switchToHttp().getRequest<RequestWithPrincipal>()[PRINCIPAL];
  if (principal) return principal;
  throw new Unauthenticated('not authenticated');
});
