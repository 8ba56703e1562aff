import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { decodeTail, readPart, readTail } from '../../../../src/backends/shared/log-tail';
import { temporaryDirectory } from '../temporary-directory';

describe('tails', () => {
  const directory = temporaryDirectory('log-tail');

  it('begin at a character when they were cut', () => {
    expect(decodeTail(Buffer.from('\u00e4x').subarray(1), true)).toBe('x');
    expect(decodeTail(Buffer.from('\u{1f600}x').subarray(1), true)).toBe('x');
    expect(decodeTail(Buffer.from('\u00e4x').subarray(1), false)).toBe('\ufffdx');
  });

  it('are valid text whatever the bytes are', () => {
    expect(decodeTail(Buffer.from([0xff, 0x41, 0xc3]), false)).toBe('\ufffdA\ufffd');
  });

  it('hold the last bytes and say how many there were', async () => {
    const file = join(directory(), 'stream');
    await fs.writeFile(file, '0123456789');
    expect(await readTail(file, 4)).toEqual({ text: '6789', totalBytes: 10 });
    expect(await readPart(file, () => 20, 4)).toMatchObject({ size: 10, bytes: Buffer.alloc(0) });
  });

  it('are absent for a stream that is empty or not there', async () => {
    await fs.writeFile(join(directory(), 'empty'), '');
    expect(await readTail(join(directory(), 'empty'), 4)).toBeUndefined();
    expect(await readTail(join(directory(), 'none'), 4)).toBeUndefined();
  });

  it('are never read through a link', async () => {
    await fs.symlink('/etc/passwd', join(directory(), 'link'));
    await expect(readTail(join(directory(), 'link'), 4)).rejects.toMatchObject({ code: 'ELOOP' });
  });
});
