import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostEtc } from '../../../../src/backends/local/host-etc';

describe('the copy of /etc for jobs under bubblewrap', () => {
  let directory: string;
  let etc: string;
  let now: number;
  let leftOut: string[];
  let copies: HostEtc;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'host-etc-'));
    etc = join(directory, 'source');
    mkdirSync(join(etc, 'ssl', 'certs'), { recursive: true });
    mkdirSync(join(etc, 'ssl', 'private'), { mode: 0o700 });
    writeFileSync(join(etc, 'ssl', 'private', 'key'), 'secret');
    writeFileSync(join(etc, 'ssl', 'certs', 'a.pem'), 'certificate');
    writeFileSync(join(etc, 'ssl', 'certs', 'key.pem'), 'secret', { mode: 0o600 });
    symlinkSync('a.pem', join(etc, 'ssl', 'certs', 'link.pem'));
    writeFileSync(join(etc, 'passwd'), 'root:x:0:0::/:/bin/sh\n');
    writeFileSync(join(etc, 'shadow'), 'secret');
    writeFileSync(join(directory, 'zone'), 'UTC');
    symlinkSync(join(directory, 'zone'), join(etc, 'localtime'));
    writeFileSync(join(etc, 'hosts'), '127.0.0.1 localhost\n');
    now = 0;
    leftOut = [];
    copies = new HostEtc(
      join(directory, 'copies'),
      (name) => leftOut.push(name),
      etc,
      () => now,
    );
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const made = (): Promise<string> => copies.current();

  it('holds what the list names and everybody may read: no keys, no passwords', async () => {
    const copy = await made();
    expect(readdirSync(copy).sort()).toEqual(['hosts', 'localtime', 'passwd', 'resolv.conf', 'ssl']);
    expect(readdirSync(join(copy, 'ssl'))).toEqual(['certs']);
    expect(readdirSync(join(copy, 'ssl', 'certs')).sort()).toEqual(['a.pem', 'link.pem']);
    expect(readlinkSync(join(copy, 'ssl', 'certs', 'link.pem'))).toBe('a.pem');
    expect(readFileSync(join(copy, 'localtime'), 'utf8')).toBe('UTC');
    expect(statSync(join(copy, 'ssl')).mode & 0o777).toBe(0o755);
  });

  it('leaves empty files where the live ones are mounted', async () => {
    const copy = await made();
    expect(['hosts', 'resolv.conf'].map((name) => readFileSync(join(copy, name), 'utf8'))).toEqual(['', '']);
  });

  it('is another one after a change, half a minute later, and the first stays for the jobs that have it', async () => {
    const first = await made();
    writeFileSync(join(etc, 'passwd'), 'changed\n');
    expect(await made()).toBe(first);
    now += 30_000;
    const second = await made();
    expect(second).not.toBe(first);
    expect(readFileSync(join(second, 'passwd'), 'utf8')).toBe('changed\n');
    expect(readFileSync(join(first, 'passwd'), 'utf8')).toContain('root');
  });

  it('is found again by the next gateway', async () => {
    const first = await made();
    expect(await new HostEtc(join(directory, 'copies'), (name) => leftOut.push(name), etc).current()).toBe(first);
    expect(readdirSync(join(directory, 'copies'))).toHaveLength(1);
  });

  it('is made again when it could not be made, for whoever asks next', async () => {
    writeFileSync(join(directory, 'copies'), 'a file where the folder should be');
    await expect(copies.current()).rejects.toMatchObject({ code: 'EEXIST' });
    rmSync(join(directory, 'copies'));
    expect(readdirSync(await made())).toContain('passwd');
  });

  it('leaves out a name that holds too much, and says so', async () => {
    for (let index = 0; index < 10_001; index += 1) writeFileSync(join(etc, 'ssl', 'certs', `${index}.pem`), '');
    expect(readdirSync(await made()).sort()).toEqual(['hosts', 'localtime', 'passwd', 'resolv.conf']);
    expect(leftOut).toEqual(['ssl']);
  });
});
