import { createGunzip } from 'node:zlib';
import { HttpException } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';

/**
 * Bodies that come as `Content-Encoding: gzip`, inflated while they arrive; another encoding is answered 415 with its name (RFC 9110 15.5.16).
 * The limit is that of the inflated body: what would become longer is inflated no further.
 */
export function inflateBodies(server: FastifyInstance, bodyLimitBytes: number): void {
  server.addHook('preParsing', (request, _reply, payload, done) => {
    const encoding = (request.headers['content-encoding'] ?? '').trim().toLowerCase();
    // A body that is not there has no encoding, whatever a client says of all its requests.
    const isEmpty =
      request.headers['content-length'] === '0' ||
      (request.headers['content-length'] ?? request.headers['transfer-encoding']) === undefined;
    if (isEmpty || encoding === '' || encoding === 'identity') return done(null, payload);
    if (encoding !== 'gzip' && encoding !== 'x-gzip') {
      return done(new HttpException(`Content-Encoding ${encoding.slice(0, 100)} is not understood, only gzip`, 415));
    }
    // Fastify holds the length that came against Content-Length.
    const inflated = Object.assign(createGunzip(), { receivedEncodedLength: 0 });
    let length = 0;
    inflated.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > bodyLimitBytes) inflated.destroy(new HttpException('too large', 413));
    });
    inflated.prependListener('error', (error) => {
      if (!(error instanceof HttpException)) error.message = 'the body is not valid gzip, or ends too early';
    });
    // The rest is read all the same, so that a client that is still sending comes to the answer.
    inflated.once('close', () => payload.unpipe(inflated).resume());
    payload.on('data', (chunk: Buffer) => (inflated.receivedEncodedLength += chunk.length));
    payload.once('close', () => {
      if (!payload.readableEnded) inflated.destroy();
    });
    done(null, payload.pipe(inflated));
  });
}
