import { truncateSync } from 'node:fs';
import { chmod, type FileHandle, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyFile } from '../../../../src/engine/transfers/copy-file';
import { Tries } from '../../../../src/engine/transfers/tries';
import { TransferError } from '../../../../src/ports/errors';
import { SourceFile, TargetFile } from '../../../../src/ports/local-file';
import { temporaryDirectory } from '../../backends/temporary-directory';

const signal = new AbortController().signal;
const MIB = 1024 * 1024;

/** Breaks once when it is read from `at` on. Is never cloned, so that every file system shows the same. */
class BreakingFile extends SourceFile {
  static at: number | undefined;
  override readonly hasSpecialMode = true;
  override async read(into: Uint8Array, position: number): Promise<number> {
    if (BreakingFile.at === undefined || position < BreakingFile.at) return super.read(into, position);
    BreakingFile.at = undefined;
    throw new TransferError('the disk hiccuped', { retryable: true });
  }
}

describe('copying a file of this machine', () => {
  const directory = temporaryDirectory('copy');
  const from = (): string => join(directory(), 'from');
  const to = (): string => join(directory(), 'to');
  const lent: SourceFile[] = [];
  const handles: FileHandle[] = [];
  let moved: number[] = [];

  beforeEach(() => {
    moved = [];
    BreakingFile.at = undefined;
  });
  afterEach(async () => {
    // Whatever happened, every file that was lent has been given back.
    for (const file of lent.splice(0)) expect(await file.read(new Uint8Array(1), 0).catch(String)).toContain('file closed');
    for (const handle of handles.splice(0)) await handle.close();
  });

  const openSource = async (): Promise<SourceFile> => {
    const handle = await open(from());
    const file = new BreakingFile(handle, await handle.stat(), (error) => error);
    lent.push(file);
    return file;
  };
  const copied = async (options: { sizeBytes?: number; tries?: Tries; to?: string; stop?: AbortSignal; onMoved?: () => void } = {}) => {
    const handle = await open(options.to ?? to(), options.to === undefined ? 'wx' : 'w');
    handles.push(handle);
    const source = { open: openSource, name: 'the source', ...options };
    const tell = (bytes: number): void => {
      moved.push(bytes);
      options.onMoved?.();
    };
    return copyFile(source, new TargetFile(handle), tell, options.stop ?? signal);
  };
  const bytesOf = (sizeBytes: number): Buffer => {
    const bytes = Buffer.alloc(sizeBytes);
    for (let at = 0; at < sizeBytes; at += 1) bytes[at] = (at * 31) % 251;
    return bytes;
  };

  it.each([0, 1, 4095, 4096, 4097, MIB / 4, MIB / 4 + 1, 3 * MIB + 17])('copies %i bytes', async (sizeBytes) => {
    await writeFile(from(), bytesOf(sizeBytes));
    expect(await copied()).toBe(sizeBytes);
    expect(Buffer.compare(await readFile(to()), await readFile(from()))).toBe(0);
    expect(moved.reduce((sum, bytes) => sum + bytes, 0)).toBe(sizeBytes);
  });

  it('leaves holes where holes were, also at the end', async () => {
    await writeFile(from(), '');
    const handle = await open(from(), 'r+');
    await handle.write(Buffer.from('in the middle'), 0, 13, 40 * MIB);
    await handle.truncate(80 * MIB);
    await handle.close();
    expect((await stat(from())).blocks * 512).toBeLessThan(MIB);
    expect(await copied()).toBe(80 * MIB);
    const { size, blocks } = await stat(to());
    expect(size).toBe(80 * MIB);
    expect(blocks * 512).toBeLessThan(MIB);
    expect(Buffer.compare(await readFile(to()), await readFile(from()))).toBe(0);
  });

  it('takes zeros for zeros where there is no hole', async () => {
    await writeFile(from(), Buffer.alloc(2 * MIB));
    expect(await copied()).toBe(2 * MIB);
    expect((await readFile(to())).equals(Buffer.alloc(2 * MIB))).toBe(true);
  });

  it('stops in the middle when it is told to', async () => {
    await writeFile(from(), bytesOf(4 * MIB));
    const stop = new AbortController();
    const work = copied({ stop: stop.signal, onMoved: () => stop.abort() });
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
    expect((await stat(to())).size).toBeLessThan(MIB);
  });

  it('goes on where the source broke, within its tries', async () => {
    await writeFile(from(), bytesOf(3 * MIB));
    BreakingFile.at = MIB;
    expect(await copied({ tries: new Tries({ firstDelayMs: 1, longestDelayMs: 2 }) })).toBe(3 * MIB);
    expect(lent).toHaveLength(2);
    expect(Buffer.compare(await readFile(to()), await readFile(from()))).toBe(0);
  });

  it('without tries, hears the first failure', async () => {
    await writeFile(from(), bytesOf(3 * MIB));
    BreakingFile.at = MIB;
    await expect(copied()).rejects.toThrow('the disk hiccuped');
    expect(lent).toHaveLength(1);
  });

  it('notices that the source shrinks while it is copied', async () => {
    await writeFile(from(), bytesOf(4 * MIB));
    const onMoved = (): void => truncateSync(from(), MIB);
    const work = copied({ sizeBytes: 4 * MIB, tries: new Tries({ tries: 2, firstDelayMs: 1, longestDelayMs: 1 }), onMoved });
    const failure = await work.then(undefined, (error: unknown) => error);
    expect(failure).toMatchObject({ code: 'TRANSFER_ERROR', retryable: true });
    expect((failure as TransferError).publicMessage).toMatch(/^the source has changed while it was being read$/);
  });

  it('hears that the disk is full', async () => {
    await writeFile(from(), bytesOf(MIB));
    await expect(copied({ to: '/dev/full' })).rejects.toMatchObject({ code: 'ENOSPC' });
  });

  it.each([0o640, 0o6755])('copies or clones a long file of mode %o, and never lends the target setuid', async (mode) => {
    await writeFile(from(), bytesOf(2 * MIB));
    await chmod(from(), mode);
    const handle = await open(from());
    const source = new SourceFile(handle, await handle.stat(), (error) => error);
    const target = await open(to(), 'wx');
    handles.push(target);
    expect(await copyFile({ open: () => Promise.resolve(source), name: 'it' }, new TargetFile(target), () => undefined, signal)).toBe(
      2 * MIB,
    );
    expect((await stat(to())).mode & 0o7000).toBe(0);
    expect(Buffer.compare(await readFile(to()), await readFile(from()))).toBe(0);
  });
});
