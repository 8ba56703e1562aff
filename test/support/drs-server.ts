import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server of GA4GH DRS objects, as plain as the specification: what it has is given by the test. */
export interface DrsServerOfTests {
  /** `http://127.0.0.1:PORT/ga4gh/drs/v1`. */
  readonly url: string;
  readonly objects: Map<string, object>;
  /** `ID ACCESS_ID` -> answer. */
  readonly accesses: Map<string, object>;
  /** `PATH` and the authorization that came with it. */
  readonly seen: { readonly path: string; readonly authorization: string | undefined }[];
  /** Answers in the place of the server where it returns true. */
  fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

const BASE = '/ga4gh/drs/v1';

export async function startDrsServer(): Promise<DrsServerOfTests> {
  const objects = new Map<string, object>();
  const accesses = new Map<string, object>();
  const seen: { path: string; authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    seen.push({ path: request.url ?? '', authorization: request.headers.authorization });
    if (drs.fault?.(request, response)) return;
    const [, id = '', access] = /^\/ga4gh\/drs\/v1\/objects\/([^/?]+)(?:\/access\/([^/?]+))?/.exec(request.url ?? '') ?? [];
    const found =
      access === undefined ? objects.get(decodeURIComponent(id)) : accesses.get(`${decodeURIComponent(id)} ${decodeURIComponent(access)}`);
    const body = JSON.stringify(found ?? { msg: 'no such object', status_code: 404 });
    response.writeHead(found ? 200 : 404, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const drs: DrsServerOfTests = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${BASE}`,
    objects,
    accesses,
    seen,
    fault: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return drs;
}
