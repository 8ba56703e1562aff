import type { FastifyInstance } from 'fastify';
import { Unavailable } from '../../ports/errors';

/** So many bodies of the largest size may be held at once, all connections together. */
const LARGEST_BODIES = 8;
/** Bodies below this part of the limit are not counted: they are nearly all there are, and counting costs. */
const SMALL_PART = 64;

/**
 * Bounds the memory that bodies take while they arrive and until their request is answered, whatever the number of connections.
 * Bytes count when they have come, so that a client that only announces much, or stalls, takes nothing from others.
 * What comes on top is answered 503.
 */
export function boundBodies(server: FastifyInstance, bodyLimitBytes: number): void {
  const budget = LARGEST_BODIES * bodyLimitBytes;
  const small = bodyLimitBytes / SMALL_PART;
  let held = 0;
  server.addHook('preParsing', (request, reply, payload, done) => {
    const announced = Number(request.headers['content-length'] ?? Infinity);
    const hasBody = announced > 0 && (request.headers['transfer-encoding'] !== undefined || Number.isFinite(announced));
    const isEncoded = request.headers['content-encoding'] !== undefined;
    if (!hasBody || (announced <= small && !isEncoded)) {
      done(null, payload);
      return;
    }
    let own = 0;
    payload.on('data', (chunk: Buffer) => {
      own += chunk.length;
      held += chunk.length;
      // The parser is listening too: it answers with this error and reads no further.
      if (held > budget) payload.emit('error', new Unavailable('too many large requests at once', { retryAfterSeconds: 1 }));
    });
    reply.raw.once('close', () => {
      held -= own;
      own = 0;
    });
    done(null, payload);
  });
}
