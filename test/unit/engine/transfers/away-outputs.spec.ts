import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageOut } from '../../../../src/engine/transfers/transfers';
import { TransferError } from '../../../../src/ports/errors';
import { StorageRegistry } from '../../../../src/ports/registries';
import type { TesOutput } from '../../../../src/task/tes';
import { MemoryStorage } from '../../../support/memory-storage';
import { failureOf } from '../../../support/transfer-failure';
import { TempWorkspace } from './temp-workspace';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'away-outputs-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

it('gives up what is left for a host that is away, and stores what is for others', async () => {
  const storage = new MemoryStorage();
  let tried = 0;
  storage.onCall = (verb, url) => {
    if (verb !== 'write' || !url.startsWith('mem://away/')) return;
    tried += 1;
    throw new TransferError('503', { retryable: true, away: {} });
  };
  const workspace = new TempWorkspace(directory);
  await mkdir(join(workspace.root, 'out'), { recursive: true });
  const outputs: TesOutput[] = [];
  for (let index = 0; index < 40; index += 1) {
    await writeFile(join(workspace.root, `out/${index}`), 'x');
    outputs.push({ path: `/out/${index}`, url: `mem://away/${index}`, type: 'FILE' });
  }
  outputs.push({ path: '/out/0', url: 'mem://there/0', type: 'FILE' });
  const options = { parallel: 2, tries: 3, firstDelayMs: 1, longestDelayMs: 2 };
  const staging = stageOut({ executors: [], outputs }, workspace, new StorageRegistry([storage]), options, new AbortController().signal);
  expect(await failureOf(staging)).toMatchObject({ away: {} });
  // Two at once, three times each.
  expect(tried).toBeLessThanOrEqual(6);
  expect([...storage.objects.keys()]).toEqual(['mem://there/0']);
});
