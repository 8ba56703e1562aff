import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDirectories, makeDirectory, unreadable } from '../../../src/config/make-directory';
import { adapters } from '../../../src/adapters';
import { loadSettings } from '../../../src/config/settings';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'make-directory-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('makes a directory with those above it, or leaves it as it is', () => {
  const path = join(folder, 'a', 'b', 'c');
  makeDirectory(path);
  makeDirectory(path);
  expect(statSync(path).isDirectory()).toBe(true);
});

it.each(['/proc/none', '/proc/none/of/it', '/proc/self/none'])('gives up where no directory can be made (%s)', (path) => {
  expect(() => makeDirectory(path)).toThrow('ENOENT');
});

describe('the directories of the settings', () => {
  const made = (data_dir: string, work_dir: string) => () =>
    makeDirectories(loadSettings({ files: [], env: {}, argv: [`--data_dir=${data_dir}`, `--work_dir=${work_dir}`] }, adapters));

  it('are made, with the one for files', () => {
    made(join(folder, 'data'), join(folder, 'work'))();
    expect(['data/files', 'work'].map((name) => statSync(join(folder, name)).isDirectory())).toEqual([true, true]);
  });

  it('are all named when they cannot be made', () => {
    writeFileSync(join(folder, 'file'), '');
    const [data, work] = [join(folder, 'file', 'data'), join(folder, 'file', 'work')];
    expect(made(data, work)).toThrow(
      new RegExp(`^settings: data_dir: the directory ${data} .*ENOTDIR.*\nsettings: work_dir: the directory ${work} .*ENOTDIR`),
    );
  });

  it('are named when they are there and cannot hold anything', () => {
    expect(made('/proc/self', join(folder, 'work'))).toThrow(
      /^settings: data_dir: the directory \/proc\/self.* cannot be made or written to: E/,
    );
  });
});

it('names what the settings name and nobody can read, and refuses none of it', () => {
  const list = JSON.stringify([folder, '/none/files']);
  const map = JSON.stringify({ here: folder, 'busybox:1.36': '/none/busybox.sif' });
  const argv = ['--storage.file.allowed', list, '--images.allowed', list, '--images.map', map, '--images.auth_file', '/none/logins'];
  expect(unreadable(loadSettings({ files: [], env: {}, argv }, adapters), adapters)).toEqual([
    expect.stringMatching(/^storage\.file\.allowed: cannot be read now: ENOENT.*\/none\/files/),
    expect.stringMatching(/^images\.allowed: cannot be read now: ENOENT.*\/none\/files/),
    expect.stringMatching(/^images\.map: cannot be read now: ENOENT.*\/none\/busybox\.sif/),
    expect.stringMatching(/^images\.auth_file: cannot be read now: ENOENT.*\/none\/logins/),
  ]);
});
