import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import { AllowedMethods } from './allowed-methods';
import { boundAnswers } from './answer-budget';
import type { ApiSettings } from '../api-settings';
import { auditRequests } from '../auth/audit-requests';
import { type GuardOptions, guardRoutes } from '../auth/route-guard';
import { boundBodies } from './body-budget';
import { boundConnections } from './connection-limits';
import { inflateBodies } from './content-encoding';
import { type ErrorAnswer, ofStatus } from './error-answer';
import { parseJsonBody } from './json-body';
import { MethodNotServed } from './method-not-served';
import { securityHeaders } from './security-headers';
import { refuseForeignHosts } from './served-hosts';

/** Longer than any URL that Node lets through (16 KiB of head), so that a long id is simply an unknown one. */
const ANY_LENGTH = 32 * 1024;
/** An idle connection is kept longer than the minute that proxies in front usually keep theirs, so that they never meet a closed one. */
const KEEP_ALIVE_MS = 75_000;
/** A request must have arrived as a whole by then, however slow the line: a bound for those who send a byte now and then. */
const REQUEST_MS = 300_000;

/**
 * Options for `new FastifyAdapter(...)`. What fails before a route is found (a URL that is not one, bytes that are not HTTP)
 * is answered here, in the same shape as by the error filter.
 */
export function fastifyAdapterOptions(settings: ApiSettings): FastifyServerOptions {
  return {
    bodyLimit: settings.bodyLimitBytes,
    trustProxy: settings.proxies.isEmpty ? false : (address) => settings.proxies.has(address),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    forceCloseConnections: 'idle',
    // Fastify's own would load a validator and a serializer at every start.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    routerOptions: { maxParamLength: ANY_LENGTH, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    frameworkErrors: (error, _request, reply) => {
      const status = error.statusCode ?? 400;
      const text = JSON.stringify(ofStatus(status, status === 400 ? 'the URL is malformed' : undefined).body);
      reply.raw.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
    },
    clientErrorHandler: (error, socket) => {
      answerBrokenHttp(error.code, socket);
    },
  };
}

function noSchemas(): never {
  throw new Error('a route has a schema of Fastify; here DTOs say what a body must be, and answers are JSON text already');
}

/** Sets up everything between the socket and the routes. Call it before `app.init()` or `app.listen()`. */
export function configureHttp(app: NestFastifyApplication, settings: ApiSettings, guard: GuardOptions): void {
  const server = app.getHttpAdapter().getInstance();
  const isProxy = (address: string): boolean => settings.proxies.has(address);
  boundConnections(server.server, { ...settings.connections, isProxy }, (line) => new Logger('Api').warn(line));
  const providers = guard.authenticators.flatMap((one) => one.browserLogin?.()?.issuer ?? []).map((issuer) => new URL(issuer).origin);
  securityHeaders(server, { hasTls: settings.hasTls, providers });
  refuseForeignHosts(server, settings);
  guardRoutes(server, guard);
  server.removeAllContentTypeParsers();
  app.useBodyParser('*', { bodyLimit: settings.bodyLimitBytes }, (_request, body, done) => {
    done(null, parseJsonBody(body));
  });
  // In this order: what counts is what a body is inflated to.
  inflateBodies(server, settings.bodyLimitBytes);
  boundBodies(server, settings.bodyLimitBytes);
  boundAnswers(server);
  answerWrongMethods(app);
  if (guard.audit) auditRequests(server, guard.audit);
  const anyOrigin = settings.corsOrigins.includes('*');
  if (settings.corsOrigins.length > 0) {
    app.enableCors({
      origin: anyOrigin ? '*' : [...settings.corsOrigins],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      exposedHeaders: ['Retry-After'],
      maxAge: 600,
      strictPreflight: false,
    });
  }
  if (!anyOrigin) app.enableCsrfProtection({ trustedOrigins: [...settings.corsOrigins] });
}

/** 405 with `Allow` where a path is served, but not by this method; the router itself knows only 404. */
function answerWrongMethods(app: NestFastifyApplication): void {
  const allowed = new AllowedMethods();
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRoute', (route) => {
    allowed.add(route.url, [route.method].flat());
  });
  server.addHook('onRequest', (request: FastifyRequest, _reply: FastifyReply, done) => {
    if (!request.is404) return done();
    const methods = allowed.at(request.url.split('?', 1)[0] ?? '');
    if (methods.length === 0 || methods.includes(request.method)) return done();
    done(new MethodNotServed(request.method, methods));
  });
}

/** Answers a connection whose bytes are not HTTP (or too slow, or too long a head), then ends it. */
function answerBrokenHttp(code: string, socket: Socket): void {
  if (code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body } = answerForBrokenHttp(code);
  const text = JSON.stringify(body);
  const head = `HTTP/1.1 ${status} ${status === 400 ? 'Bad Request' : 'Error'}\r\nContent-Type: application/json`;
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`);
}

function answerForBrokenHttp(code: string): ErrorAnswer {
  if (code === 'HPE_HEADER_OVERFLOW') return ofStatus(431, 'the request line and headers are too long');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return ofStatus(408, 'the request took too long to arrive');
  return ofStatus(400, 'the request is not valid HTTP');
}
