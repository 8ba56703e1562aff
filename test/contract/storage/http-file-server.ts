import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Plays a fault: answers the request itself and returns true, or returns false to let the server answer. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface FileServer {
  readonly url: string;
  readonly port: number;
  /** `METHOD path` of every request so far. */
  readonly requests: IncomingMessage[];
  /** Asked before every answer. */
  fault: Fault;
  close(): Promise<void>;
}

/** A plain web server over a directory: GET with ranges and ETags, HEAD, and PUT that replaces as a whole. */
export async function startFileServer(directory: string, wantedPort = 0): Promise<FileServer> {
  const requests: IncomingMessage[] = [];
  const parts = await partsDirectory(directory);
  const server: Server = createServer((request, response) => {
    requests.push(request);
    if (state.fault(request, response)) return;
    answer(directory, parts, request, response).catch(() => response.destroy());
  });
  // A fault answers before the body comes, or has it come, or lets the client wait.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    requests.push(request);
    if (state.fault(request, response)) return;
    response.writeContinue();
    answer(directory, parts, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(wantedPort, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const state: FileServer = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    fault: () => false,
    async close() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
      await rm(parts, { recursive: true, force: true });
    },
  };
  return state;
}

async function partsDirectory(directory: string): Promise<string> {
  const parts = `${directory}.parts`;
  await mkdir(parts);
  return parts;
}

async function answer(directory: string, parts: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = join(directory, ...(request.url ?? '/').replace(/\?.*$/, '').split('/').map(decodeURIComponent));
  if (request.method === 'PUT') return put(path, join(parts, randomUUID()), request, response);
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile()) {
    response.writeHead(404).end('not here');
    return;
  }
  const etag = `"${stats.ino}-${stats.mtimeMs}"`;
  response.setHeader('Last-Modified', stats.mtime.toUTCString());
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const usesRange = range && (request.headers['if-range'] ?? etag) === etag;
  const first = usesRange ? Number(range[1]) : 0;
  const last = Math.min(stats.size - 1, usesRange && range[2] ? Number(range[2]) : stats.size - 1);
  if (usesRange && first >= stats.size) {
    response.writeHead(416, { 'Content-Range': `bytes */${stats.size}`, ETag: etag }).end();
    return;
  }
  const partial = usesRange ? { 'Content-Range': `bytes ${first}-${last}/${stats.size}` } : {};
  response.writeHead(usesRange ? 206 : 200, { 'Content-Length': last - first + 1, ETag: etag, ...partial });
  if (request.method === 'HEAD' || stats.size === 0) response.end();
  else await pipeline(createReadStream(path, { start: first, end: last }), response);
}

async function put(path: string, part: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await pipeline(request, createWriteStream(part));
    await mkdir(dirname(path), { recursive: true });
    await rename(part, path);
    response.writeHead(201).end();
  } catch {
    await rm(part, { force: true });
    response.destroy();
  }
}
