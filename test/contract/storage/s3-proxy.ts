import { createServer, type IncomingMessage, request as ask, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Plays a fault: answers the request itself and returns true, or returns false to have it handed on. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface S3Proxy {
  readonly url: string;
  /** All so far. */
  readonly requests: IncomingMessage[];
  /** Asked before every request. */
  fault: Fault;
  /** What is done to an answer before it is handed on; absent = nothing. */
  answered: ((request: IncomingMessage, answer: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

/** Before a real server, byte for byte, so that signatures stay right; plays what the server itself never does. */
export async function startS3Proxy(target: () => string): Promise<S3Proxy> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    request.on('error', () => response.destroy());
    response.on('error', () => undefined);
    if (proxy.fault(request, response)) return;
    const { hostname, port } = new URL(target());
    const { method, url: path, headers } = request;
    const onward = ask({ hostname, port, method, path, headers, agent: false }, (answer) => {
      if (proxy.answered?.(request, answer, response)) return;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', () => response.destroy()).pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: S3Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fault: () => false,
    answered: undefined,
    async close() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
