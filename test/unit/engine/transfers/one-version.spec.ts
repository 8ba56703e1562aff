import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageIn } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { startFileServer } from '../../../contract/storage/http-file-server';
import { TempWorkspace } from './temp-workspace';

const HTTP = { enabled: true, maxRedirects: 1, connectTimeoutMs: 10_000, idleTimeoutMs: 10_000, allowPrivateAddresses: true };

it('an input is one version, also where its server says nothing of versions and as much is there when the line breaks', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'one-version-'));
  const server = await startFileServer(join(directory, 'data'));
  const http = new HttpStorage(HTTP);
  const workspace = new TempWorkspace(directory);
  await mkdir(workspace.root);
  let text = 'a'.repeat(1000);
  server.fault = (request, response) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const part = from > 0 ? { 'Content-Range': `bytes ${from}-999/1000` } : {};
    response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': 1000 - from, ...part });
    if (request.method === 'HEAD') response.end();
    else if (text.startsWith('a')) {
      response.write(text.slice(0, 400), () => setImmediate(() => request.socket.destroy()));
      text = 'b'.repeat(1000);
    } else response.end(text.slice(from));
    return true;
  };
  const inputs = [{ path: '/in', url: `${server.url}/in`, type: 'FILE' as const }];
  const options = { firstDelayMs: 1, longestDelayMs: 2 };
  try {
    await stageIn({ executors: [], inputs }, workspace, new StorageRegistry([http]), options, new AbortController().signal);
    expect(await readFile(join(workspace.root, 'in'), 'utf8')).toBe('b'.repeat(1000));
  } finally {
    http.close();
    await server.close();
    await rm(directory, { recursive: true });
  }
});
