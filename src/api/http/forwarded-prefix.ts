import type { FastifyRequest } from 'fastify';
import { InvalidRequest } from '../../ports/errors';
import type { ApiSettings } from '../api-settings';

const MOST_LENGTH = 1000;
/** Segments of plain characters, none of them `.` or `..`: nothing that a browser takes for a host, or a page for markup. */
const PREFIX = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/;

/**
 * The path below which a proxy serves this server (`/tes`), for what is answered as an address; `''` without one. Believed like the other
 * `X-Forwarded-*` headers. Each proxy on the way adds its own, the first one in front. Throws InvalidRequest for what is no such path.
 */
export function forwardedPrefix({ headers, socket }: FastifyRequest, { proxies }: Pick<ApiSettings, 'proxies'>): string {
  const header = proxies.has(socket.remoteAddress) ? headers['x-forwarded-prefix'] : undefined;
  if (header === undefined) return '';
  const parts = String(header)
    .slice(0, MOST_LENGTH + 1)
    .split(',')
    .map((part) => part.trim().replace(/\/$/, ''));
  const prefix = parts.join('');
  if (prefix.length <= MOST_LENGTH && parts.every((part) => part === '' || PREFIX.test(part))) return prefix;
  throw new InvalidRequest('X-Forwarded-Prefix must be a path of plain names, such as /tes');
}
