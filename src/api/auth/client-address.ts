import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** Of the client, as far as proxies are trusted. What one of these passes on may be anything; addresses are counted and kept. */
export function clientAddress({ ip, socket }: FastifyRequest): string {
  const { remoteAddress = '' } = socket;
  return ip === remoteAddress || isIP(ip) === 0 ? remoteAddress : ip;
}
