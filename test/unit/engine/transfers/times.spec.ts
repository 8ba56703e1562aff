import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutOf } from '../../../../src/backends/shared/layout';
import { mountPlan } from '../../../../src/backends/shared/mount-plan';
import { TreeWorkspace } from '../../../../src/backends/shared/tree-workspace';
import { stageIn, stageOut } from '../../../../src/engine/transfers/transfers';
import type { Workspace } from '../../../../src/ports/execution-backend';
import { StorageRegistry } from '../../../../src/ports/registries';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { startFileServer } from '../../../contract/storage/http-file-server';
import { temporaryDirectory } from '../../backends/temporary-directory';
import { TempWorkspace } from './temp-workspace';
import { ANYWHERE } from '../../../support/connections';

const signal = new AbortController().signal;
const HTTP = { enabled: true, maxRedirects: 1, connectTimeoutMs: 10_000, idleTimeoutMs: 10_000, reach: ANYWHERE };
/** An index is younger than its data, by less than a second. */
const DATA_MS = Date.UTC(2020, 0, 1) + 100.25;
const INDEX_MS = DATA_MS + 500;

describe('the times of files', () => {
  const directory = temporaryDirectory('times');
  const place = (name: string): string => join(directory(), name);
  let file: FileStorage;

  const made = async (name: string, modifiedMs: number): Promise<void> => {
    await writeFile(place(name), name);
    await utimes(place(name), new Date(), modifiedMs / 1000);
  };
  const timeIn = async (workspace: Workspace, path: string): Promise<number> => (await workspace.stat(path, signal))?.modifiedMs ?? 0;

  beforeEach(async () => {
    for (const name of ['data', 'stored', 'job']) await mkdir(place(name));
    await writeFile(layoutOf(place('job')).started, '');
    file = new FileStorage({ allowed: [directory()] });
  });

  it.each([
    ['from descriptor to descriptor', () => new TreeWorkspace(layoutOf(place('job')), mountPlan({ volumes: ['/work'], executors: [] }))],
    ['through streams', () => new TempWorkspace(directory())],
  ])('are kept both ways, alone and in directories, %s', async (_, workspaceOf) => {
    const workspace: Workspace = workspaceOf();
    const registry = new StorageRegistry([file]);
    await made('data/x.bam', DATA_MS);
    await made('data/x.bam.bai', INDEX_MS);
    const inputs = [
      { url: place('data/x.bam.bai'), path: '/work/alone.bai', type: 'FILE' as const },
      { url: place('data'), path: '/work/all', type: 'DIRECTORY' as const },
    ];
    await stageIn({ executors: [], inputs }, workspace, registry, {}, signal);
    expect(await timeIn(workspace, '/work/alone.bai')).toBeCloseTo(INDEX_MS, 2);
    expect(await timeIn(workspace, '/work/all/x.bam')).toBeCloseTo(DATA_MS, 2);
    const outputs = [
      { url: place('stored/alone'), path: '/work/alone.bai', type: 'FILE' as const },
      { url: place('stored/all'), path: '/work/all', type: 'DIRECTORY' as const },
    ];
    await stageOut({ executors: [], outputs }, workspace, registry, {}, signal);
    expect((await stat(place('stored/alone'))).mtimeMs).toBeCloseTo(INDEX_MS, 2);
    expect((await stat(place('stored/all/x.bam'))).mtimeMs).toBeCloseTo(DATA_MS, 2);
  });

  it('are those that a web server tells', async () => {
    const server = await startFileServer(place('data'));
    const http = new HttpStorage(HTTP);
    await made('data/x.bam', Date.UTC(2020, 0, 1));
    const workspace = new TempWorkspace(directory());
    const inputs = [{ url: `${server.url}/x.bam`, path: '/in', type: 'FILE' as const }];
    await stageIn({ executors: [], inputs }, workspace, new StorageRegistry([http]), {}, signal);
    expect(await timeIn(workspace, '/in')).toBe(Date.UTC(2020, 0, 1));
    http.close();
    await server.close();
  });
});
