import { mkdir, mkdtemp, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileStorage } from '../../../../src/storage/file/file.storage';

export interface AllowedTree {
  /** Holds `data` (allowed), `data2` and `outside` (not allowed), each with a file `secret`. The caller removes it. */
  readonly top: string;
  readonly data: string;
  readonly storage: FileStorage;
}

export async function makeAllowedTree(): Promise<AllowedTree> {
  const top = await realpath(await mkdtemp(join(tmpdir(), 'file-')));
  const data = join(top, 'data');
  for (const name of ['data', 'data2', 'outside']) {
    await mkdir(join(top, name));
    await writeFile(join(top, name, 'secret'), `of ${name}`);
  }
  return { top, data, storage: new FileStorage({ allowed: [data] }) };
}
