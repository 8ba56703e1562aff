import { mongo } from 'mongoose';
import type { Page, StoredTask } from '../../ports/store/task-records';
import type { MongoConnection } from './mongo-connection';
import { STORED_FIELDS, type StoredDocument, type TaskPages } from './task-pages';

/** Every task, oldest first, a page at a time: the token is the place of its last one. */
export class TaskScan {
  constructor(
    private readonly connection: MongoConnection,
    private readonly pages: TaskPages,
  ) {}

  async page(pageToken: string, limit: number, maxBytes: number): Promise<Page<StoredTask>> {
    const { tasks } = this.connection.collections;
    const after = pageToken === '' ? {} : { place: { $gt: mongo.ObjectId.createFromHexString(pageToken) } };
    const rows = await this.connection.call(() => tasks.find(after, { ...scanOptions(limit), ...this.connection.limit }).toArray());
    let bytes = 0;
    const fitting = rows.findIndex(({ requestBytes, recordBytes }) => (bytes += requestBytes + recordBytes) > maxBytes);
    const page = fitting === -1 ? rows : rows.slice(0, Math.max(1, fitting));
    const ids = page.map(({ _id }) => _id);
    const options = { projection: STORED_FIELDS, batchSize: ids.length + 1, ...this.connection.limit };
    const found = await this.connection.call(() => tasks.find<StoredDocument>({ _id: { $in: ids } }, options).toArray());
    const byId = new Map(found.map((document) => [document._id, document]));
    const items: StoredTask[] = [];
    for (const id of ids) {
      const document = byId.get(id);
      const stored = document === undefined ? undefined : await this.pages.withRequest(document);
      if (stored !== undefined) items.push(stored);
    }
    const isLast = page.length === rows.length && rows.length < limit;
    return { items, nextPageToken: isLast ? '' : (page.at(-1)?.place.toHexString() ?? '') };
  }
}

export function scanOptions(limit: number) {
  const projection = { place: 1, requestBytes: 1, recordBytes: 1 };
  return { projection, sort: { place: 1 }, hint: { place: -1 }, limit, batchSize: limit + 1 } as const;
}
