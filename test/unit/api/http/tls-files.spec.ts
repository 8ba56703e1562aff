import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TlsFiles, type TlsPair } from '../../../../src/api/http/tls-files';

describe('the files of a certificate', () => {
  let directory: string;
  let lines: string[];
  let given: TlsPair[];
  let files: TlsFiles;
  const server = { setSecureContext: (pair: TlsPair): void => void given.push(pair) };
  beforeEach(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), 'tls-'));
    make('first');
    await use('first');
    lines = [];
    given = [];
    const say = (line: string): void => void lines.push(line);
    files = new TlsFiles({ certificate: join(directory, 'cert'), key: join(directory, 'key') }, { info: say, warn: say, error: say });
  });
  afterEach(() => fs.rm(directory, { recursive: true, force: true }));
  const make = (name: string): void => {
    const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.cert`;
    execFileSync('openssl', words.split(' '), { cwd: directory, stdio: 'pipe' });
  };
  const use = async (name: string, kinds = ['cert', 'key']): Promise<void> => {
    for (const kind of kinds) await fs.copyFile(join(directory, `${name}.${kind}`), join(directory, kind));
  };

  it('are given to the server when they have changed, and only then', async () => {
    const first = await files.read();
    await files.look(server);
    make('second');
    await use('second');
    await files.look(server);
    await files.look(server);
    expect(given).toHaveLength(1);
    expect(given[0]?.cert).not.toEqual(first.cert);
    expect(lines).toEqual(['the certificate was read again']);
  });

  it('stay those of the last time while one of them is old, is gone or is none, which is said once', async () => {
    await files.read();
    make('second');
    await use('second', ['cert']);
    for (let at = 0; at < 3; at += 1) await files.look(server);
    expect(lines).toEqual(['the new certificate cannot be used: the last one goes on']);
    await fs.rm(join(directory, 'key'));
    for (let at = 0; at < 3; at += 1) await files.look(server);
    await fs.writeFile(join(directory, 'key'), 'nonsense');
    await files.look(server);
    expect([given, lines.length]).toEqual([[], 3]);
    await use('second', ['key']);
    await files.look(server);
    expect([given.length, lines[3]]).toEqual([1, 'the certificate was read again']);
  });

  it('are refused at the start when they do not belong together', async () => {
    make('second');
    await use('second', ['key']);
    await expect(files.read()).rejects.toThrow(/mismatch/i);
  });
});
