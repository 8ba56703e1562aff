import type { FastifyRequest } from 'fastify';
import { InvalidRequest } from '../ports/errors';
import type { CreateOptions } from '../engine/task.service';

/** 1 to 255 visible ASCII characters. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/** What a create needs besides the document: the `Idempotency-Key` and the base path it came in on. Throws InvalidRequest. */
export function createOptionsOf(request: FastifyRequest): CreateOptions {
  const basePath = (request.routeOptions.url ?? '').replace(/\/tasks\/?$/, '');
  const key = request.headers['idempotency-key'];
  if (key === undefined) return { basePath };
  if (typeof key === 'string' && KEY.test(key)) return { basePath, idempotencyKey: key };
  const message = 'must be 1 to 255 visible ASCII characters';
  throw new InvalidRequest(`Idempotency-Key ${message}`, { details: [{ path: 'Idempotency-Key', message }] });
}
