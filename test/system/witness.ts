import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from './tes-client';

/**
 * An HTTP server that jobs and transfers talk to, so that a test knows what happened whether or not the gateway was alive:
 * `/hit/NAME` is counted, `/gate/NAME` is counted and answered when the test opens it, `/slow/NAME` sends its first half at once and the
 * rest when the gate of that name opens. Reached from a job on the host's network.
 */
export class Witness {
  private readonly counts = new Map<string, number>();
  private readonly open = new Set<string>();
  private readonly waiting = new Map<string, (() => void)[]>();
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, answer) => {
      const [, kind = '', name = ''] = (request.url ?? '').split('/').map(decodeURIComponent);
      const key = `${kind}/${name}`;
      this.counts.set(key, this.count(kind, name) + 1);
      switch (kind) {
        case 'hit':
          answer.end('seen');
          return;
        case 'gate':
          this.whenOpen(name, answer, () => answer.end(`through ${name}`));
          return;
        case 'slow':
          answer.writeHead(200, { 'content-length': String(2 * Witness.half.length) });
          if (request.method === 'HEAD') {
            answer.end();
            return;
          }
          answer.write(Witness.half);
          this.whenOpen(name, answer, () => answer.end(Witness.half));
          return;
        default:
          answer.writeHead(404).end();
      }
    });
    this.server.keepAliveTimeout = 100;
  }

  /** Half of what `/slow` sends. */
  static readonly half = 'slow\n'.repeat(1000);

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  url(kind: 'hit' | 'gate' | 'slow', name: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${kind}/${encodeURIComponent(name)}`;
  }
  /** A line of shell that goes there and prints the answer. */
  visit(kind: 'hit' | 'gate', name: string): string {
    return `busybox wget -q -O - ${this.url(kind, name)}`;
  }
  /** Shell that tells of its start and goes on, with words on stdout, when the gate of this name opens. */
  program(name: string): string {
    return `${this.visit('hit', `${name}-start`)}; ${this.visit('gate', name)}`;
  }
  /** How often the program of this name began. */
  starts(name: string): number {
    return this.count('hit', `${name}-start`);
  }
  count(kind: string, name: string): number {
    return this.counts.get(`${kind}/${name}`) ?? 0;
  }
  async seen(kind: 'hit' | 'gate' | 'slow', name: string, limitMs = 60_000): Promise<void> {
    await eventually(`${kind}/${name} to be visited`, () => (this.count(kind, name) > 0 ? true : undefined), limitMs);
  }
  release(name: string): void {
    this.open.add(name);
    for (const go of this.waiting.get(name) ?? []) go();
    this.waiting.delete(name);
  }

  private whenOpen(name: string, answer: ServerResponse, go: () => void): void {
    if (this.open.has(name)) go();
    else this.waiting.set(name, [...(this.waiting.get(name) ?? []), () => (answer.destroyed ? undefined : go())]);
  }
}
