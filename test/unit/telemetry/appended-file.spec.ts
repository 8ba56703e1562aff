import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineLog } from '../../../src/engine/engine-log';
import { AppendedFile } from '../../../src/telemetry/appended-file';

/** What was logged, and whoever waits for a line of it. */
class Lines implements EngineLog {
  readonly said: string[] = [];
  private readonly waiting: { readonly text: string; readonly resolve: () => void }[] = [];
  readonly info = (message: string): void => this.add(message);
  readonly warn = (message: string): void => this.add(message);
  readonly error = (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
    this.add(`${message} ${typeof fields['reason'] === 'string' ? fields['reason'] : ''}`);

  says(text: string): Promise<void> {
    if (this.said.some((line) => line.includes(text))) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ text, resolve }));
  }

  private add(message: string): void {
    this.said.push(message);
    for (const { text, resolve } of this.waiting) if (message.includes(text)) resolve();
  }
}

describe('a file that lines are appended to', () => {
  let directory: string;
  let path: string;
  let log: Lines;
  let file: AppendedFile;
  beforeEach(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), 'appended-'));
    path = join(directory, 'lines');
    log = new Lines();
  });
  afterEach(async () => {
    await file.close();
    await fs.rm(directory, { recursive: true, force: true });
  });
  const open = async (...rest: [{ waitingBytes: number; retryMs: number }?, (() => number)?]): Promise<AppendedFile> =>
    (file = await AppendedFile.open(path, log, ...rest));
  const read = (name = path): Promise<string> => fs.readFile(name, 'utf8');

  it('has them in order, for its owner and group alone, and those of an earlier process before them', async () => {
    await fs.writeFile(path, 'earlier\n');
    await fs.rm(path);
    for (const part of [
      [0, 500],
      [500, 1000],
    ] as const) {
      await open();
      for (let at = part[0]; at < part[1]; at += 1) expect(file.append(String(at))).toBe(true);
      await file.close();
    }
    expect(await read()).toBe(Array.from({ length: 1000 }, (_, at) => `${at}\n`).join(''));
    expect((await fs.stat(path)).mode & 0o777 & ~0o640).toBe(0);
    expect([file.health(), log.said]).toEqual([{ ok: true, detail: 'written' }, []]);
  });

  it('begins a line of its own after one that a crash has cut', async () => {
    await fs.writeFile(path, 'whole\ncut');
    await open();
    file.append('next');
    await file.close();
    expect(await read()).toBe('whole\ncut\nnext\n');
  });

  it('is another one after it was moved away', async () => {
    await open();
    file.append('old');
    await file.close();
    await open();
    await fs.rename(path, `${path}.1`);
    file.append('still old');
    await file.close();
    expect([await read(`${path}.1`), await fs.stat(path).catch(() => undefined)]).toEqual(['old\nstill old\n', undefined]);
    await open();
    await fs.rename(path, `${path}.2`);
    file.reopen();
    for (let at = 0; at < 100; at += 1) file.append('new');
    await file.close();
    expect([await read(`${path}.2`), await read()]).toEqual(['', 'new\n'.repeat(100)]);
  });

  it('on a full disk keeps what there is room for, says so, and has all of that in the next one', async () => {
    await fs.symlink('/dev/full', path);
    await open({ waitingBytes: 300, retryMs: 600_000 });
    const accepted = Array.from({ length: 100 }, (_, at) => `line ${at}`).filter((line) => file.append(line));
    expect(accepted.length).toBeLessThan(50);
    await log.says('no space left');
    expect(file.append('x'.repeat(300))).toBe(false);
    expect(file.health()).toEqual({ ok: false, detail: expect.stringMatching(/no space left.*and entries are left out/) as string });
    expect(log.said).toHaveLength(2);

    await fs.rm(path);
    file.reopen();
    await log.says('written again');
    expect(file.health().ok).toBe(true);
    expect(file.append('after')).toBe(true);
    await file.close();
    expect((await read()).trimEnd().split('\n')).toEqual([...accepted, 'after']);
  });

  it('that cannot be opened under its name goes nowhere else, and is tried again', async () => {
    await fs.mkdir(join(directory, 'logs'));
    path = join(directory, 'logs', 'lines');
    await open({ waitingBytes: 300, retryMs: 1 });
    await fs.rename(join(directory, 'logs'), join(directory, 'moved'));
    file.reopen();
    file.append('kept');
    await log.says('ENOENT');
    expect(file.health().ok).toBe(false);
    await fs.mkdir(join(directory, 'logs'));
    await log.says('written again');
    await file.close();
    expect([await read(), await read(join(directory, 'moved', 'lines'))]).toEqual(['kept\n', '']);
  });

  it('on a disk that does not answer takes bounded memory, and health says so', async () => {
    // Nobody reads: a write stands still when the pipe is full.
    execFileSync('mkfifo', [path]);
    let now = 0;
    await open({ waitingBytes: 200_000, retryMs: 1 }, () => now);
    let accepted = 0;
    for (let at = 0; at < 1000; at += 1) {
      if (file.append('x'.repeat(999))) accepted += 1;
      if (at % 100 === 0) await fs.stat(directory);
    }
    now = 11_000;
    const health = file.health();
    const reader = await fs.open(path, 'r');
    let length = 0;
    while (length < accepted * 1000) length += (await reader.read(Buffer.alloc(65_536))).bytesRead;
    await reader.close();
    expect([length, accepted < 300]).toEqual([accepted * 1000, true]);
    expect(health).toEqual({
      ok: false,
      detail: 'the file is not written: a write has been going on for 11 s, and entries are left out',
    });
    await log.says('written again');
    expect(file.health().ok).toBe(true);
  });

  it('is refused at the start when it cannot be opened', async () => {
    await open();
    await expect(AppendedFile.open(join(directory, 'none', 'lines'), log)).rejects.toThrow('ENOENT');
  });
});
