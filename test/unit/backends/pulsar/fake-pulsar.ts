import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that answers as it is told, for what a real Pulsar cannot be made to do: a proxy's pages, cut answers, a broken line. */
export class FakePulsar {
  /** `METHOD /path` of every request, without its query. */
  readonly asked: string[] = [];
  private readonly answers: Answer[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      this.asked.push(`${request.method} ${(request.url ?? '').split('?', 1).join('')}`);
      const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
      request.resume().on('end', () => answer?.(request, response));
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The next answers, in order; the last one stays. */
  will(...answers: readonly Answer[]): void {
    this.answers.splice(0, this.answers.length, ...answers);
    this.asked.length = 0;
  }
}

export const say =
  (body: string, status = 200): Answer =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'text/html; charset=UTF-8' }).end(body);

/** Half of it, under a length that promises all. */
export const sayHalf =
  (body: string): Answer =>
  (_request, response) => {
    response.writeHead(200, { 'content-length': String(body.length) }).write(body.slice(0, body.length / 2));
    setImmediate(() => response.destroy());
  };

export const hangUp: Answer = (request) => request.socket.destroy();
