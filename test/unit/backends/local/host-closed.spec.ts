import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostClosed } from '../../../../src/backends/local/host-closed';
import { temporaryDirectory } from '../temporary-directory';

describe('the list of what only root may read', () => {
  const directory = temporaryDirectory('host-closed');

  it('is there before the first job goes on, and looked through again later beside the others', async () => {
    let now = 0;
    let calls = 0;
    let answer: (text: string) => void = () => undefined;
    const list = (): Promise<string> => {
      calls += 1;
      return new Promise((resolve) => (answer = resolve));
    };
    const closed = new HostClosed(
      join(directory(), 'etc', 'closed'),
      list,
      () => undefined,
      () => now,
    );
    const first = [closed.current(), closed.current()];
    answer('/usr/one\n');
    const path = (await Promise.all(first))[0] ?? '';
    expect([calls, readFileSync(path, 'utf8')]).toEqual([1, '/usr/one\n']);
    now += 600_000;
    expect(await closed.current()).toBe(path);
    expect([calls, readFileSync(path, 'utf8')]).toEqual([2, '/usr/one\n']);
  });

  it('keeps the first job from starting when it cannot be made, and says so; the next one tries again', async () => {
    const failures: unknown[] = [];
    const results = [Promise.reject(new Error('no find')), Promise.resolve('')];
    results[0]?.catch(() => undefined);
    const closed = new HostClosed(
      join(directory(), 'closed'),
      () => results.shift() ?? Promise.resolve(''),
      (error) => failures.push(error),
    );
    await expect(closed.current()).rejects.toThrow('no find');
    expect(failures).toHaveLength(1);
    expect(await closed.current()).toBe(join(directory(), 'closed'));
  });

  it('is that of the gateway before, however long the look through the machine takes, unless that was long ago', async () => {
    const path = join(directory(), 'closed');
    const closedOf = (list: () => Promise<string>): HostClosed => new HostClosed(path, list, () => undefined);
    writeFileSync(path, '/usr/one\n');
    let looks = 0;
    const hangs = (): Promise<string> => {
      looks += 1;
      return new Promise(() => undefined);
    };
    expect([await closedOf(hangs).current(), looks]).toEqual([path, 1]);
    const within = Date.now() / 1000 + 0.5;
    utimesSync(path, within, within);
    expect([await closedOf(hangs).current(), looks]).toEqual([path, 2]);
    for (const ageMs of [600_000, -60_000]) {
      const at = new Date(Date.now() - ageMs);
      utimesSync(path, at, at);
      await closedOf(() => Promise.resolve(`/usr/two ${ageMs}\n`)).current();
      expect(readFileSync(path, 'utf8')).toBe(`/usr/two ${ageMs}\n`);
    }
  });

  const listed = (): readonly string[] => {
    const file = join(__dirname, '../../../../src/backends/shared/runtimes/closed.sh');
    const { stdout } = spawnSync('sh', ['-c', `. "${file}"; list_closed "$1"`, 'sh', directory()], { encoding: 'utf8' });
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((path) => path.slice(directory().length + 1))
      .sort();
  };
  const put = (name: string, mode: number): void => {
    writeFileSync(join(directory(), name), 'x');
    chmodSync(join(directory(), name), mode);
  };

  it('names files that others may not read, and directories that they may not enter or list', () => {
    chmodSync(directory(), 0o755);
    for (const [name, mode] of [
      ['a', 0o755],
      ['a/closed', 0o700],
      ['a/unlisted', 0o711],
      ['a/open', 0o755],
    ] as const) {
      mkdirSync(join(directory(), name));
      chmodSync(join(directory(), name), mode);
    }
    for (const [name, mode] of [
      ['a/key', 0o600],
      ['a/group key', 0o640],
      ['a/program', 0o4711],
      ['a/file', 0o644],
      ['a/closed/file', 0o644],
    ] as const)
      put(name, mode);
    symlinkSync('/etc/shadow', join(directory(), 'a', 'link'));
    expect(listed()).toEqual(['a/closed', 'a/group key', 'a/key', 'a/program', 'a/unlisted']);
  });

  it('names the directory of a name that is no line, and of what is too much, once', () => {
    chmodSync(directory(), 0o755);
    for (const name of ['odd', 'many', 'many/below']) mkdirSync(join(directory(), name), { mode: 0o755 });
    put('odd/a\nb', 0o600);
    put('key', 0o600);
    expect(listed()).toEqual(['key', 'odd']);
    for (let index = 0; index < 300; index += 1) put(`many/${index}`, 0o600);
    put('many/below/key', 0o600);
    expect(listed()).toEqual(['']);
  });
});
