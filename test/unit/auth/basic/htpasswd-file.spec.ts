import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HtpasswdFile } from '../../../../src/auth/basic/htpasswd-file';

const HASH = '$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2';

describe('an htpasswd file', () => {
  let directory: string;
  let path: string;
  let now: number;
  let lines: string[];
  let file: HtpasswdFile;
  beforeEach(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), 'htpasswd-'));
    path = join(directory, 'users');
    now = 0;
    lines = [];
    file = new HtpasswdFile(
      path,
      (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
      () => now,
    );
  });
  afterEach(() => fs.rm(directory, { recursive: true, force: true }));
  const names = async (): Promise<string[]> => [...(await file.hashes()).keys()];

  it('gives its users, without comments and empty lines, and says which lines let nobody in, without their hashes', async () => {
    await fs.writeFile(path, `# ours\n\nann:${HASH}\r\nold:$apr1$x$y\nbob:${HASH}:rest\n:${HASH}\nloose\nann:${HASH}`);
    expect(await names()).toEqual(['ann', 'bob']);
    expect(lines).toEqual([
      expect.stringContaining('info the htpasswd file has 2 users'),
      expect.stringContaining('warn 3 lines of the htpasswd file let nobody in: line 4: the password of old is neither bcrypt'),
    ]);
    expect(lines.join()).not.toContain('apr1');
    expect(lines.join()).toContain('line 6: the name must have');
  });

  it('is read again when it has changed, in place or by another in its place, at most once a second', async () => {
    await fs.writeFile(path, `ann:${HASH}\n`);
    const first = await file.hashes();
    await fs.writeFile(path, `ann:${HASH}\nbob:${HASH}\n`);
    expect(await file.hashes()).toBe(first);
    now = 1000;
    expect(await names()).toEqual(['ann', 'bob']);
    await fs.writeFile(`${path}.new`, `bob:${HASH}\neve:${HASH}\n`);
    await fs.rename(`${path}.new`, path);
    now = 2000;
    expect(await names()).toEqual(['bob', 'eve']);
    now = 3000;
    expect(await file.hashes()).toBe(await file.hashes());
    expect(lines.filter((line) => line.includes('users'))).toHaveLength(3);
  });

  it('that has gone keeps its users, with one line of the log, and is read when it is there again', async () => {
    await fs.writeFile(path, `ann:${HASH}\n`);
    await names();
    await fs.rm(path);
    for (now of [1000, 2000, 3000]) expect(await names()).toEqual(['ann']);
    await fs.writeFile(path, `bob:${HASH}\n`);
    now = 4000;
    expect(await names()).toEqual(['bob']);
    expect(lines.map((line) => line.split(' {')[0])).toEqual([
      'info the htpasswd file has 1 users',
      'error the htpasswd file cannot be read: the users of its last version go on',
      'info the htpasswd file has 1 users',
      'warn the htpasswd file can be read again',
    ]);
  });

  it('that could never be read is an error', async () => {
    await expect(file.hashes()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
