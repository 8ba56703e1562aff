import type { LogTail } from '../../task/task-record';
import { isMissing } from './workspace-errors';
import { openRegular } from './scoped-trees';

/** The last `bytes` of a stream file, cut at a character; `undefined` when the file is not there or empty. Reads no more than that. */
export async function readTail(hostPath: string, bytes: number): Promise<LogTail | undefined> {
  const chunk = await readPart(hostPath, (size) => Math.max(0, size - bytes), bytes);
  if (chunk === undefined || chunk.size === 0) return undefined;
  return { text: decodeTail(chunk.bytes, chunk.offset > 0), totalBytes: chunk.size };
}

export interface FilePart {
  readonly bytes: Buffer;
  readonly offset: number;
  /** Of the whole file, when it was opened. */
  readonly size: number;
}

/** Part of a regular file; the offset may depend on its size. `undefined` when it is not there. */
export async function readPart(hostPath: string, offsetOf: (size: number) => number, maxBytes: number): Promise<FilePart | undefined> {
  let handle;
  try {
    handle = await openRegular(hostPath);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const offset = offsetOf(size);
    const buffer = Buffer.alloc(Math.max(0, Math.min(maxBytes, size - offset)));
    const { bytesRead } = buffer.length === 0 ? { bytesRead: 0 } : await handle.read(buffer, 0, buffer.length, offset);
    return { bytes: buffer.subarray(0, bytesRead), offset, size };
  } finally {
    await handle.close();
  }
}

/** UTF-8; bytes of a character whose beginning was cut off are left out, other bad bytes become U+FFFD. */
export function decodeTail(bytes: Buffer, isCut: boolean): string {
  let start = 0;
  if (isCut) while (start < 3 && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString('utf8');
}
