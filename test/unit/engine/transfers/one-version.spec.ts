import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageIn } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { type FileServer, startFileServer } from '../../../contract/storage/http-file-server';
import { TempWorkspace } from './temp-workspace';
import { ANYWHERE } from '../../../support/connections';

const HTTP = { enabled: true, maxRedirects: 1, connectTimeoutMs: 10_000, idleTimeoutMs: 10_000, reach: ANYWHERE };

describe('an input', () => {
  let directory: string;
  let server: FileServer;
  let http: HttpStorage;
  let workspace: TempWorkspace;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'one-version-'));
    server = await startFileServer(join(directory, 'data'));
    http = new HttpStorage(HTTP);
    workspace = new TempWorkspace(directory);
    await mkdir(workspace.root);
  });
  afterEach(async () => {
    http.close();
    await server.close();
    await rm(directory, { recursive: true });
  });

  const staged = async (): Promise<string> => {
    const inputs = [{ path: '/in', url: `${server.url}/in`, type: 'FILE' as const }];
    const options = { firstDelayMs: 1, longestDelayMs: 2 };
    await stageIn({ executors: [], inputs }, workspace, new StorageRegistry([http]), options, new AbortController().signal);
    return readFile(join(workspace.root, 'in'), 'utf8');
  };

  it('is one version, also where its server says nothing of versions and as much is there when the line breaks', async () => {
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
    expect(await staged()).toBe('b'.repeat(1000));
  });

  it('has the checksum that its storage gives, though it came damaged at first', async () => {
    const digest = createHash('sha256').update('right').digest('base64');
    const sends = ['wrong', 'right'];
    server.fault = (request, response) => {
      response.writeHead(200, { 'Content-Length': 5, ETag: '"1"', 'Repr-Digest': `sha-256=:${digest}:` });
      response.end(request.method === 'HEAD' ? undefined : sends.shift());
      return true;
    };
    expect(await staged()).toBe('right');
    sends.push('wrong', 'wrong', 'wrong');
    await expect(staged()).rejects.toMatchObject({
      retryable: true,
      publicMessage: expect.stringMatching(/^input \/in: .*\/in came with another sha256 checksum than its storage gives$/) as string,
    });
  });
});
