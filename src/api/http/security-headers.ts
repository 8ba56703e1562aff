import type { FastifyInstance } from 'fastify';

/** Swagger UI: its own scripts only, and in no other page's frame. Styles of its own stand in the page. */
const PAGE = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:; object-src 'none'; style-src 'self' 'unsafe-inline'",
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
};
/** A year. */
const TLS_ONLY = { 'strict-transport-security': 'max-age=31536000' };

/** What browsers have to know of every answer. Few, because most clients are none, and each costs a part of every GET. */
export function securityHeaders(server: FastifyInstance, { hasTls }: { readonly hasTls: boolean }): void {
  const all = { 'x-content-type-options': 'nosniff', ...(hasTls && TLS_ONLY) };
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(request.routeOptions.url?.startsWith('/docs') === true ? { ...all, ...PAGE } : all);
    done();
  });
}
