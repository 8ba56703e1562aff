import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageIn, stageOut } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { type FileServer, startFileServer } from '../../../contract/storage/http-file-server';
import { failureOf } from '../../../support/transfer-failure';
import { TempWorkspace } from './temp-workspace';
import { ANYWHERE } from '../../../support/connections';

const HTTP = { enabled: true, maxRedirects: 1, connectTimeoutMs: 10_000, idleTimeoutMs: 10_000, reach: ANYWHERE };
const MIB = 1024 * 1024;
const signal = new AbortController().signal;
let directory: string;
let server: FileServer;
let http: HttpStorage;
let workspace: TempWorkspace;
let reached: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reached-'));
  await mkdir(join(directory, 'data'));
  server = await startFileServer(join(directory, 'data'));
  http = new HttpStorage(HTTP);
  workspace = new TempWorkspace(directory);
  await mkdir(workspace.root);
  reached = [];
});
afterEach(async () => {
  http.close();
  await server.close();
  await rm(directory, { recursive: true });
});

const registry = (): StorageRegistry => new StorageRegistry([http, new FileStorage({ allowed: [join(directory, 'data')] })]);
const options = { tries: 1, onReached: (url: string) => void reached.push(url) };

describe('a storage', () => {
  it('answers once a file has come from it, and not because another one does', async () => {
    await writeFile(join(directory, 'data/a'), 'a');
    server.fault = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    const there = { path: '/there', url: join(directory, 'data/a'), type: 'FILE' as const };
    const inputs = [there, { path: '/away', url: `${server.url}/a`, type: 'FILE' as const }];
    const stage = (): Promise<unknown> => stageIn({ executors: [], inputs }, workspace, registry(), options, signal);
    await failureOf(stage());
    expect(reached).not.toContain(`${server.url}/a`);
    server.fault = () => false;
    reached = [];
    await stage();
    expect(reached.sort()).toEqual([there.url, `${server.url}/a`].sort());
  });

  it('answers once it has taken more than lies on the way to it, also when that is not all', async () => {
    const output = { path: '/big', url: `${server.url}/big`, type: 'FILE' as const };
    const store = (): Promise<unknown> => stageOut({ executors: [], outputs: [output] }, workspace, registry(), options, signal);
    for (const [bytes, isReached] of [
      [4 * MIB, false],
      [64 * MIB, true],
    ] as const) {
      await writeFile(join(workspace.root, 'big'), Buffer.alloc(bytes));
      let taken = 0;
      server.fault = (request) => {
        request.on('data', (chunk: Buffer) => {
          taken += chunk.length;
          if (taken > bytes / 2) request.socket.resetAndDestroy();
        });
        return true;
      };
      reached = [];
      await failureOf(store());
      expect(reached.length > 0).toBe(isReached);
    }
  });
});
