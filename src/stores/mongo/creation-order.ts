import { randomBytes } from 'node:crypto';
import { mongo } from 'mongoose';

const PER_MS = 2 ** 16;

/**
 * Places in the order of creation: 48 bits of store time (ms), 16 bits counting within it, 32 random bits of this process. Strictly
 * rising in one process; between processes as exact as the store's time. Never used twice, never changed: pages walk along them.
 */
export class CreationOrder {
  private readonly own = randomBytes(4);
  private ms = 0;
  private count = 0;

  constructor(private readonly now: () => number) {}

  next(): mongo.ObjectId {
    const now = this.now();
    if (now > this.ms) {
      this.ms = now;
      this.count = 0;
    } else {
      this.count += 1;
      if (this.count === PER_MS) {
        this.ms += 1;
        this.count = 0;
      }
    }
    const bytes = Buffer.alloc(12);
    bytes.writeUIntBE(this.ms, 0, 6);
    bytes.writeUInt16BE(this.count, 6);
    this.own.copy(bytes, 8);
    return new mongo.ObjectId(bytes);
  }
}
