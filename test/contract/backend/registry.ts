import { execFile } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeOciArchive, makeRootDirectory } from './image-archives';

interface Registry {
  /** Host and port. */
  readonly host: string;
  readonly image: string;
  /** Who may have the image; the password of everybody is `pw:NAME`. */
  readonly letIn: Set<string>;
  /** Another host that has the same image, for everybody. */
  readonly openHost: string;
  /** Who asked for a manifest; '' = nobody who said so. */
  readonly asked: string[];
  close(): void;
}

/** A registry on this machine, over http, that has one image, which says `who`, for those that it lets in. It can only be read. */
export async function startRegistry(directory: string, who: string): Promise<Registry> {
  await makeRootDirectory(join(directory, 'root'), who);
  await makeOciArchive(join(directory, 'image.tar'), join(directory, 'root'), 'private/who:1');
  const layout = join(directory, 'layout');
  await fs.mkdir(layout);
  await promisify(execFile)('tar', ['-C', layout, '-xf', join(directory, 'image.tar')]);
  const index = JSON.parse(await fs.readFile(join(layout, 'index.json'), 'utf8')) as { manifests: [{ digest: string }] };
  const [{ digest: manifest }] = index.manifests;
  const letIn = new Set<string>();
  const asked: string[] = [];

  const answer = async (isOpen: boolean, { method, url = '', headers }: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, name = '', password] =
      /^(.*):(pw:.*)$/.exec(Buffer.from(headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString()) ?? [];
    const isKnown = name !== '' && password === `pw:${name}`;
    const [, kind, reference = ''] = /^\/v2\/private\/who\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
    if (kind === 'manifests') asked.push(name);
    if (!isKnown && !isOpen) return end(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="registry"' });
    if (url === '/v2/') return void response.writeHead(200).end('{}');
    if (kind === undefined) return end(response, 404, 'NAME_UNKNOWN');
    if (!letIn.has(name) && !isOpen) return end(response, 403, 'DENIED');
    const digest = reference.startsWith('sha256:') ? reference : manifest;
    const bytes = await fs.readFile(join(layout, 'blobs/sha256', digest.slice('sha256:'.length)));
    response.writeHead(200, {
      'content-type': kind === 'manifests' ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream',
      'content-length': bytes.length,
      'docker-content-digest': digest,
    });
    response.end(method === 'HEAD' ? undefined : bytes);
  };
  const servers = await Promise.all(
    [false, true].map(async (isOpen) => {
      const server = createServer(
        (request, response) => void answer(isOpen, request, response).catch(() => end(response, 404, 'BLOB_UNKNOWN')),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const [host = '', openHost = ''] = servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    host,
    image: `${host}/private/who:1`,
    openHost,
    letIn,
    asked,
    close: () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

function end(response: ServerResponse, status: number, code: string, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ errors: [{ code, message: code }] }));
}
