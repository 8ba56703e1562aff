import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputUpload } from '../../../../src/engine/transfers/output-files';
import { StoredFilesOfJobs } from '../../../../src/engine/transfers/stored-files';
import { stageOut, StoredFiles } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { type FileServer, startFileServer } from '../../../contract/storage/http-file-server';
import { failureOf } from '../../../support/transfer-failure';
import { temporaryDirectory } from '../../backends/temporary-directory';
import { TempWorkspace } from './temp-workspace';
import { ANYWHERE } from '../../../support/connections';

const signal = new AbortController().signal;

describe('outputs that are tried again', () => {
  const directory = temporaryDirectory('stored-files');
  const data = (name = ''): string => join(directory(), 'data', name);
  let server: FileServer;
  let http: HttpStorage;
  let workspace: TempWorkspace;
  let refused: string;
  let stored: StoredFiles;

  beforeEach(async () => {
    await mkdir(data());
    server = await startFileServer(data());
    server.fault = ({ method, url }, response) => {
      if (method !== 'PUT' || url !== refused) return false;
      response.writeHead(503).end();
      return true;
    };
    http = new HttpStorage({
      enabled: true,
      reach: ANYWHERE,
      maxRedirects: 0,
      connectTimeoutMs: 5000,
      idleTimeoutMs: 5000,
    });
    workspace = new TempWorkspace(directory());
    await mkdir(workspace.root);
    for (const name of ['a', 'b', 'c']) await writeFile(join(workspace.root, name), `text of ${name}`);
    refused = '/c';
    stored = new StoredFiles();
  });
  afterEach(async () => {
    http.close();
    await server.close();
  });

  const stage = (known?: StoredFiles): ReturnType<typeof stageOut> => {
    const outputs = ['a', 'b', 'c'].map((name) => ({ path: `/${name}`, url: `${server.url}/${name}`, type: 'FILE' as const }));
    const options = { tries: 1, ...(known && { stored: known }) };
    return stageOut({ executors: [], outputs }, workspace, new StorageRegistry([http]), options, signal);
  };
  const sent = (): (string | undefined)[] => {
    const urls = server.requests.filter(({ method }) => method === 'PUT').map(({ url }) => url);
    server.requests.length = 0;
    return urls.sort();
  };

  it('are sent only as far as they are not stored, and listed as a whole', async () => {
    await failureOf(stage(stored));
    expect(sent()).toEqual(['/a', '/b', '/c']);
    refused = '';
    const { outputs } = await stage(stored);
    expect(sent()).toEqual(['/c']);
    expect(outputs.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
      ['/a', 9],
      ['/b', 9],
      ['/c', 9],
    ]);
  });

  it('are sent again where the storage has lost them, or has less of them', async () => {
    await failureOf(stage(stored));
    sent();
    await rm(data('a'));
    await truncate(data('b'), 3);
    await failureOf(stage(stored));
    expect(sent()).toEqual(['/a', '/b', '/c']);
  });

  it('are sent again where the storage has something else by now, as long as it may be', async () => {
    await failureOf(stage(stored));
    sent();
    await writeFile(data('a'), 'text of z');
    await failureOf(stage(stored));
    expect(sent()).toEqual(['/a', '/c']);
    expect(await readFile(data('a'), 'utf8')).toBe('text of a');
  });

  it('are sent again where another file is at the path by now, and where nothing is known of earlier tries', async () => {
    await failureOf(stage(stored));
    sent();
    await writeFile(join(workspace.root, 'a'), 'another text of a');
    await failureOf(stage(stored));
    expect(sent()).toEqual(['/a', '/c']);
    await failureOf(stage());
    expect(sent()).toEqual(['/a', '/b', '/c']);
  });
});

describe('what is remembered of stored files', () => {
  const upload = (name: string): OutputUpload => ({ source: name, path: name, url: `mem://${name}`, sizeBytes: 1, mode: 0o644 });

  it('is bounded: what was not tried for the longest time is forgotten first', () => {
    const jobs = new StoredFilesOfJobs(10);
    for (const job of ['one', 'two', 'three']) for (const name of ['a', 'b', 'c']) jobs.of(job).add(upload(name));
    expect(jobs.of('one').has(upload('a'))).toBe(false);
    expect(jobs.of('three').has(upload('a'))).toBe(true);
    const few = new StoredFiles(2);
    for (const name of ['a', 'b', 'c']) few.add(upload(name));
    expect(few.size).toBe(2);
  });

  it('goes with its job', () => {
    const jobs = new StoredFilesOfJobs();
    jobs.of('one').add(upload('a'));
    jobs.forget('one');
    expect(jobs.of('one').size).toBe(0);
  });
});
