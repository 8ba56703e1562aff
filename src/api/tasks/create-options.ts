import type { FastifyRequest } from 'fastify';
import { InvalidRequest } from '../../ports/errors';
import type { CreateOptions } from '../../engine/task.service';
import { ignoredMembers } from '../../task/ignored-members';

/** 1 to 255 visible ASCII characters. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/** What a create needs besides the document: `Idempotency-Key`, base path, and what TES does not know of it. Throws InvalidRequest. */
export function createOptionsOf(request: FastifyRequest): CreateOptions {
  const basePath = (request.routeOptions.url ?? '').replace(/\/tasks\/?$/, '');
  const ignored = ignoredMembers(request.body);
  const options = { basePath, ...(ignored !== undefined && { ignored }) };
  const key = request.headers['idempotency-key'];
  if (key === undefined) return options;
  if (typeof key === 'string' && KEY.test(key)) return { ...options, idempotencyKey: key };
  const message = 'must be 1 to 255 visible ASCII characters';
  throw new InvalidRequest(`Idempotency-Key ${message}`, { details: [{ path: 'Idempotency-Key', message }] });
}
