import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Unavailable } from '../../ports/errors';
import { answerFor } from './error-answer';

const MIB = 2 ** 20;

export interface AnswerLimits {
  /** BASIC and FULL pages of the list that are made at once, and that wait for it. What comes on top is answered 503. */
  readonly pages: { readonly atOnce: number; readonly waiting: number };
  /** Of answers that are not read to their end yet, large ones alone: they are nearly all that is held. */
  readonly heldBytes: number;
  /** Where that is not enough, the connections of those who have been reading for so long are ended. */
  readonly patienceMs: number;
}

const LIMITS: AnswerLimits = { pages: { atOnce: 4, waiting: 100 }, heldBytes: 128 * MIB, patienceMs: 30_000 };
const LARGE = MIB / 4;

/** Bounds the memory and the work that large answers take, whatever the number of clients and however slowly they read. */
export function boundAnswers(server: FastifyInstance, limits = LIMITS, now = () => performance.now()): void {
  const places = new Places(limits.pages.atOnce, limits.pages.waiting);
  const leaving = new WeakMap<FastifyRequest, () => void>();
  server.addHook('preHandler', (request, reply, done) => {
    if (!isPage(request)) return done();
    const leave = places.enter(() => done());
    if (leave === undefined) return done(new Unavailable('too many pages are asked for at once', { retryAfterSeconds: 1 }));
    leaving.set(request, leave);
    reply.raw.once('close', leave);
  });

  const held = new Set<{ readonly bytes: number; readonly since: number; readonly end: () => void }>();
  let heldBytes = 0;
  server.addHook('onSend', (request, reply, payload, done) => {
    leaving.get(request)?.();
    const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0;
    if (bytes < LARGE) return done(null, payload);
    for (const slow of held) {
      if (heldBytes + bytes <= limits.heldBytes || now() - slow.since < limits.patienceMs) break;
      slow.end();
    }
    if (heldBytes > 0 && heldBytes + bytes > limits.heldBytes) {
      const { status, body } = answerFor(new Unavailable('too many large answers are being read at once'), 0);
      reply.code(status).header('retry-after', '1').header('content-type', 'application/json').removeHeader('content-length');
      return done(null, JSON.stringify(body));
    }
    const end = (): void => {
      if (!held.delete(one)) return;
      heldBytes -= bytes;
      if (!reply.raw.writableFinished) reply.raw.destroy();
    };
    const one = { bytes, since: now(), end };
    held.add(one);
    heldBytes += bytes;
    reply.raw.once('close', end);
    done(null, payload);
  });
}

function isPage({ routeOptions, query }: FastifyRequest): boolean {
  const view = (query as { readonly view?: unknown } | undefined)?.view;
  return routeOptions.url?.endsWith('/tasks') === true && view !== undefined && view !== 'MINIMAL';
}

/** So many at once; others in the order in which they came. */
class Places {
  private readonly waiting = new Set<() => void>();
  private taken = 0;

  constructor(
    private readonly atOnce: number,
    private readonly most: number,
  ) {}

  /** `begin` is called when there is a place, and what is returned gives it back, or the wait up. `undefined`: too many wait. */
  enter(begin: () => void): (() => void) | undefined {
    if (this.taken >= this.atOnce && this.waiting.size >= this.most) return undefined;
    let isOver = false;
    this.waiting.add(begin);
    this.fill();
    return () => {
      if (isOver) return;
      isOver = true;
      if (!this.waiting.delete(begin)) this.taken -= 1;
      this.fill();
    };
  }

  private fill(): void {
    for (const begin of this.waiting) {
      if (this.taken >= this.atOnce) return;
      this.waiting.delete(begin);
      this.taken += 1;
      begin();
    }
  }
}
