import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { GatewayMetrics } from './gateway-metrics';

/** Every answer is counted by its route template, and written at `debug`: method, template, status, time; never a query or a body. */
export function observeRequests(server: FastifyInstance, metrics: GatewayMetrics, log: Logger): void {
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    metrics.answered(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    if (log.isLevelEnabled('debug')) {
      log.debug({ method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request');
    }
    done();
  });
}
