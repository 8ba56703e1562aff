import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageOut } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { startFileServer } from '../../../contract/storage/http-file-server';
import { TempWorkspace } from './temp-workspace';
import { ANYWHERE } from '../../../support/connections';

const SETTINGS = { enabled: true, maxRedirects: 1, connectTimeoutMs: 10_000, idleTimeoutMs: 10_000, reach: ANYWHERE };

it('an output is sent again from its start where the server took it before it named another place', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'redirected-'));
  const data = join(directory, 'data');
  const server = await startFileServer(data);
  const http = new HttpStorage(SETTINGS);
  try {
    server.fault = (request, response) => {
      if (request.method !== 'PUT' || request.url !== '/door') return false;
      request.resume().on('end', () => response.writeHead(307, { Location: '/pool' }).end());
      return true;
    };
    const workspace = new TempWorkspace(directory);
    await mkdir(workspace.root);
    await writeFile(join(workspace.root, 'f'), 'text');
    const request = { executors: [], outputs: [{ path: '/f', url: `${server.url}/door`, type: 'FILE' as const }] };
    await stageOut(request, workspace, new StorageRegistry([http]), { tries: 1 }, new AbortController().signal);
    expect(await readdir(data)).toEqual(['pool']);
    expect(await readFile(join(data, 'pool'), 'utf8')).toBe('text');
  } finally {
    http.close();
    await server.close();
    await rm(directory, { recursive: true });
  }
});
