import { createServer, type IncomingMessage, request as ask, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a proxy does with one answer of the server behind it; absent = it hands it on. */
export type Fault =
  /** Says something else, under this status, and does not ask the server. */
  | { readonly kind: 'say'; readonly status: number; readonly body: string | Buffer }
  /** Asks, and says half of what came, as if that were all. */
  | { readonly kind: 'half' }
  /** Asks, and closes the connection in the middle of what came. */
  | { readonly kind: 'cut' }
  /** Asks, and answers nothing. */
  | { readonly kind: 'hang-up' };

/** A call as the proxy sees it: `GET /jobs/X/status`, and what follows the question mark. */
export interface ProxiedCall {
  readonly what: string;
  readonly query: URLSearchParams;
}

/** An HTTP proxy before a real Pulsar that does with its answers what proxies do. */
export class HttpProxy {
  /** Asked for each call. */
  fault: (call: ProxiedCall) => Fault | undefined = () => undefined;
  /** How often there was one. */
  faults = 0;
  private readonly server: Server;

  constructor(private readonly target: () => string) {
    this.server = createServer((request, response) => this.handle(request, response));
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

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const fault = this.fault({ what: `${request.method} ${path}`, query: new URLSearchParams(query) });
    if (fault) this.faults += 1;
    request.on('error', () => response.destroy());
    response.on('error', () => undefined);
    if (fault?.kind === 'say') {
      request.resume().on('end', () => response.writeHead(fault.status, { 'content-type': 'text/html; charset=UTF-8' }).end(fault.body));
      return;
    }
    const { method, headers } = request;
    const onward = ask(new URL(request.url ?? '', this.target()), { method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', () => response.destroy());
      answer.on('end', () => this.answer(response, answer, Buffer.concat(chunks), fault));
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }

  private answer(
    response: ServerResponse,
    answer: IncomingMessage,
    body: Buffer,
    fault: Exclude<Fault, { kind: 'say' }> | undefined,
  ): void {
    const { 'transfer-encoding': _chunked, connection: _hop, ...headers } = answer.headers;
    const half = body.subarray(0, body.length >> 1);
    switch (fault?.kind) {
      case undefined:
        response.writeHead(answer.statusCode ?? 502, { ...headers, 'content-length': body.length }).end(body);
        return;
      case 'half':
        response.writeHead(answer.statusCode ?? 502, { ...headers, 'content-length': half.length }).end(half);
        return;
      case 'cut':
        response.writeHead(answer.statusCode ?? 502, { ...headers, 'content-length': body.length });
        response.write(half, () => response.destroy());
        return;
      case 'hang-up':
        response.destroy();
        return;
      default: {
        const never: never = fault;
        throw new Error(`no such fault: ${String(never)}`);
      }
    }
  }
}
