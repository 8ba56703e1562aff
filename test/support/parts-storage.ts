import { inParallel } from '../../src/engine/transfers/parallel';
import { pour, type TargetFile } from '../../src/ports/local-file';
import type { PartSource, StoreOptions, Written } from '../../src/ports/storage-client';
import { FileStorage } from '../../src/storage/file/file.storage';

const PART_BYTES = 1000;

/** Files, written in parts of 1,000 bytes: a storage that takes uploads as S3 does, under the rules of a real one. */
export class PartsStorage extends FileStorage {
  /** Asked before each part; may throw, to play a fault. */
  onPart: (offset: number) => void = () => undefined;

  override store(
    url: string,
    { sizeBytes, slice }: PartSource,
    { parallel, repeat, ...options }: StoreOptions,
    signal: AbortSignal,
  ): Promise<Written> {
    const offsets = Array.from({ length: Math.ceil(sizeBytes / PART_BYTES) }, (_value, part) => part * PART_BYTES);
    const fill = async (target: TargetFile): Promise<number> => {
      const send = (offset: number, stop: AbortSignal): Promise<void> =>
        repeat(async () => {
          this.onPart(offset);
          const length = Math.min(PART_BYTES, sizeBytes - offset);
          const part = Object.assign(Object.create(target) as TargetFile, {
            write: (bytes: Uint8Array, position: number) => target.write(bytes, offset + position),
          });
          const stored = await pour(slice(offset, length), part, stop);
          if (stored !== length) throw new Error(`the part at ${offset} has ${stored} of ${length} bytes`);
        });
      await inParallel(offsets, parallel, send, signal);
      return sizeBytes;
    };
    return this.writeFile(url, { ...options, sizeBytes }, fill, signal);
  }
}
