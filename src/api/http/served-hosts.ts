import { HttpException } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { hostName, isLoopback, unmapped } from '../../ports/host-name';
import type { ApiSettings } from '../api-settings';

/**
 * Which `Host` is served. While nobody has to log in, "it listens on a loopback address" is what keeps strangers out, and a web page gets
 * round that: its own name, pointed at 127.0.0.1 after it was loaded, is the same origin to the browser (DNS rebinding). So names are
 * looked at: on a loopback address, and wherever `server.allowed_hosts` names some. A proxy that is trusted sends names of its own; what
 * it says in `X-Forwarded-Host` opens nothing, because any page can say it.
 */
export function refuseForeignHosts(server: FastifyInstance, settings: Pick<ApiSettings, 'host' | 'allowedHosts' | 'proxies'>): void {
  const { host, allowedHosts, proxies } = settings;
  if (allowedHosts.includes('*')) return;
  if (allowedHosts.length === 0 && !isLoopback(host)) return;
  const served = new Set([host, ...allowedHosts].map(hostName));
  // Nearly every request comes with the same header, and taking one apart costs a hundredth of a GET.
  let lastServed: string | undefined;
  server.addHook('onRequest', (request, _reply, done) => {
    const { host: header } = request.headers;
    // No browser leaves it out; a client of HTTP/1.0 may.
    if (header === undefined || header === '' || header === lastServed) return done();
    if (allowedHosts.length === 0 && proxies.has(request.socket.remoteAddress)) return done();
    const name = hostName(header);
    if (name !== undefined && (isLoopback(name) || served.has(name))) {
      lastServed = header;
      return done();
    }
    if (name !== undefined && name === hostName(unmapped(request.socket.localAddress ?? ''))) return done();
    done(new HttpException(`this server does not answer to the host name ${name ?? 'it was sent'} (setting server.allowed_hosts)`, 421));
  });
}
