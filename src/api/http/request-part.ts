import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/**
 * A decorator that takes one checked thing out of a request, or throws what the error filter answers. Decorators rather than pipes: a pipe
 * costs a promise per parameter, and GET is the hot path of every client that polls.
 */
export function requestPart<Params, Query, T>(
  read: (request: FastifyRequest<{ Params: Params; Querystring: Query }>) => T,
): () => ParameterDecorator {
  const decorator = createParamDecorator((_data: undefined, context: ExecutionContext): T =>
    read(context.switchToHttp().getRequest<FastifyRequest<{ Params: Params; Querystring: Query }>>()),
  );
  return () => decorator();
}
