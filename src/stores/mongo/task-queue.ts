import type { QueueQuery } from '../../ports/task-store';
import type { TaskRecord } from '../../task/task-record';
import type { MongoConnection } from './mongo-connection';
import { decodeRecord, RECORD_FIELDS, type RecordDocument } from './task-document';

/** What waits for a backend, oldest first. Tasks of backends that are not open are not read; those that do not fit cost an index entry. */
export class TaskQueue {
  constructor(private readonly connection: MongoConnection) {}

  async head(query: QueueQuery, now: number): Promise<TaskRecord[]> {
    if (query.fits?.slots !== undefined && query.fits.slots <= 0) return [];
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.find<RecordDocument>(queueFilter(query, now), { ...queueOptions(query.limit), ...this.connection.limit }).toArray(),
    );
    return found.map(decodeRecord);
  }

  async outlook(now: number): Promise<{ readonly oldest?: TaskRecord; readonly nextNotBefore?: number }> {
    const { tasks } = this.connection.collections;
    const { limit } = this.connection;
    const [oldest, next] = await this.connection.call(() =>
      Promise.all([
        tasks.findOne<RecordDocument>({ state: 'QUEUED' }, { ...oldestOptions, ...limit }),
        tasks.findOne({ readyAt: { $gt: now } }, { ...nextReadyOptions, ...limit }),
      ]),
    );
    return {
      ...(oldest !== null && { oldest: decodeRecord(oldest) }),
      ...(next?.readyAt !== undefined && { nextNotBefore: next.readyAt }),
    };
  }
}

export function queueFilter({ backendsOpen, fits }: QueueQuery, now: number): object {
  return {
    wants: { $in: ['', ...backendsOpen] },
    readyAt: { $lte: now },
    ...(fits !== undefined && { cpu: { $lte: fits.cpuCores }, ram: { $lte: fits.ramGb } }),
  };
}

export function queueOptions(limit: number) {
  return {
    projection: RECORD_FIELDS,
    sort: { place: 1 },
    hint: { wants: 1, place: 1, readyAt: 1, cpu: 1, ram: 1 },
    limit,
    batchSize: limit + 1,
  } as const;
}
export const oldestOptions = { projection: RECORD_FIELDS, sort: { place: 1 }, hint: { state: 1, place: -1 } } as const;
export const nextReadyOptions = { projection: { _id: 0, readyAt: 1 }, sort: { readyAt: 1 }, hint: { readyAt: 1 } } as const;
