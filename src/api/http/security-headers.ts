import type { FastifyInstance } from 'fastify';

/** Swagger UI: its own scripts only, and in no other page's frame. Styles of its own stand in the page. `providers`: what it logs in at. */
const pageHeaders = (providers: readonly string[]): Record<string, string> => ({
  'content-security-policy': `connect-src ${["'self'", ...providers].join(' ')}; ${POLICY}`,
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
});
const POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:; object-src 'none'; style-src 'self' 'unsafe-inline'";
/** A year. */
const TLS_ONLY = { 'strict-transport-security': 'max-age=31536000' };

/** What browsers have to know of every answer. Few, because most clients are none, and each costs a part of every GET. */
export function securityHeaders(
  server: FastifyInstance,
  { hasTls, providers }: { readonly hasTls: boolean; readonly providers: readonly string[] },
): void {
  const all = { 'x-content-type-options': 'nosniff', ...(hasTls && TLS_ONLY) };
  const page = { ...all, ...pageHeaders(providers) };
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(request.routeOptions.url?.startsWith('/docs') === true ? page : all);
    done();
  });
}
