import { truncateSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stageOut, type StageOutOptions } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import type { StorageClient } from '../../../../src/ports/storage-client';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { startFileServer } from '../../../contract/storage/http-file-server';
import { failureOf } from '../../../support/transfer-failure';
import { temporaryDirectory } from '../../backends/temporary-directory';
import { TempWorkspace } from './temp-workspace';
import { ANYWHERE } from '../../../support/connections';

const signal = new AbortController().signal;

describe('bytes that a workspace has lost before they were stored', () => {
  const directory = temporaryDirectory('lost-bytes');
  const data = (name = ''): string => join(directory(), 'data', name);
  let workspace: TempWorkspace;

  beforeEach(async () => {
    await mkdir(data());
    workspace = new TempWorkspace(directory());
    await mkdir(workspace.root);
  });

  const stage = (
    urls: Readonly<Record<string, string>>,
    client: StorageClient,
    options: StageOutOptions = {},
  ): ReturnType<typeof stageOut> => {
    const outputs = Object.entries(urls).map(([path, url]) => ({ path, url, type: 'FILE' as const }));
    const quick = { firstDelayMs: 1, longestDelayMs: 2, ...options };
    return stageOut({ executors: [], outputs }, workspace, new StorageRegistry([client]), quick, signal);
  };

  it('are found by what the executor wrote to a stream, and replace nothing that is whole', async () => {
    await writeFile(join(workspace.root, 'log'), 'half');
    await writeFile(data('log'), 'an older one');
    const client = new FileStorage({ allowed: [data()] });
    const both = { '/log': data('log'), '/missing': data('m') };
    for (const [path, bytes] of [
      ['/log', 8],
      ['/missing', 1],
    ] as const) {
      const error = await failureOf(stage(both, client, { streams: new Map([[path, bytes]]) }));
      expect(error).toMatchObject({ lost: true, retryable: true, publicMessage: expect.stringContaining(`to ${path}: ${bytes} bytes`) });
    }
    expect(await readFile(data('log'), 'utf8')).toBe('an older one');
    const whole = await stage(both, client, { streams: new Map([['/log', 4]]) });
    expect(whole.outputs).toMatchObject([{ path: '/log', sizeBytes: 4 }]);
  });

  it('are found when a file shrinks while it is sent', async () => {
    const server = await startFileServer(data());
    const client = new HttpStorage({
      enabled: true,
      maxRedirects: 0,
      connectTimeoutMs: 10_000,
      idleTimeoutMs: 10_000,
      reach: ANYWHERE,
    });
    await writeFile(join(workspace.root, 'f'), 'x'.repeat(8_000_000));
    server.fault = ({ method }) => {
      if (method === 'PUT') truncateSync(join(workspace.root, 'f'), 5_000_000);
      return false;
    };
    const error = await failureOf(stage({ '/f': `${server.url}/f` }, client));
    expect(error).toMatchObject({ lost: true, publicMessage: expect.stringContaining('has 5000000 bytes now') });
    expect(await readdir(data())).toEqual([]);
    client.close();
    await server.close();
  });
});
