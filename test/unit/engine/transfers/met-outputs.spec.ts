import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stageOut } from '../../../../src/engine/transfers/transfers';
import { StorageRegistry } from '../../../../src/ports/registries';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import type { TesOutput } from '../../../../src/task/tes';
import { failureOf } from '../../../support/transfer-failure';
import { TempWorkspace } from './temp-workspace';

let directory: string;
let data: string;
let workspace: TempWorkspace;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'met-outputs-'));
  data = join(directory, 'data');
  await mkdir(data);
  workspace = new TempWorkspace(directory);
  await mkdir(workspace.root);
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** A file that the job has made; it holds its own path. */
async function made(path: string): Promise<void> {
  await mkdir(dirname(join(workspace.root, path)), { recursive: true });
  await writeFile(join(workspace.root, path), path);
}
const stage = (outputs: TesOutput[]): ReturnType<typeof stageOut> =>
  stageOut(
    { executors: [], outputs },
    workspace,
    new StorageRegistry([new FileStorage({ allowed: [data] })]),
    {},
    new AbortController().signal,
  );
const file = (path: string, url: string): TesOutput => ({ path, url, type: 'FILE' });
const stored = (path: string): Promise<string> => readFile(join(data, path), 'utf8');
const names = async (): Promise<string[]> => (await readdir(data, { recursive: true })).sort();

describe('outputs that turn out to meet at one URL', () => {
  const below = (prefix: string, pattern: string, url = data): TesOutput => ({ ...file(`${prefix}/${pattern}`, url), path_prefix: prefix });
  const tree = (path: string, url = data): TesOutput => ({ path, url, type: 'DIRECTORY' });

  it.each<[string, () => TesOutput[]]>([
    ['two wildcards', () => [below('/a', '*'), below('/b', '*')]],
    ['two directories', () => [tree('/a'), tree('/b', `file://${data}/./`)]],
    ['a directory and a file', () => [tree('/a'), file('/b/x', `${data}/x`)]],
    ['a wildcard and a file that goes into a directory', () => [below('/a', '*'), file('/b/x', `${data}/`)]],
    ['a directory in a directory', () => [tree('/a', `${data}/d/..`), below('/b', '*', `file://${data}`)]],
  ])('fail with the names of both, and none is stored in the place of the other: %s', async (_, outputs) => {
    await made('/a/x');
    await made('/b/x');
    const error = await failureOf(stage(outputs()));
    expect(error).toMatchObject({ retryable: false, unavailable: false });
    expect(error.publicMessage).toMatch(
      /^output \/b\/x could not be stored at .*\/x: \/a\/x is stored there, and one would overwrite the other$/,
    );
    expect(await stored('x')).toBe('/a/x');
  });

  it('are one where both mean one file, and are told from those that only lie beside each other', async () => {
    await made('/a/x.txt');
    await made('/b/y.txt');
    const { outputs } = await stage([below('/a', '*.txt'), below('/a', 'x*'), tree('/b'), file('/a/x.txt', `${data}/x.txt.d`)]);
    expect(outputs.map(({ path }) => path)).toEqual(['/a/x.txt', '/a/x.txt', '/b/y.txt', '/a/x.txt']);
    expect(await names()).toEqual(['x.txt', 'x.txt.d', 'y.txt']);
  });
});
