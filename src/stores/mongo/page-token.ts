import { hash } from 'node:crypto';
import { mongo } from 'mongoose';
import { InvalidRequest } from '../../ports/errors';
import type { ListQuery } from '../../ports/store/task-records';

const PLACE_BYTES = 12;
const MARK_BYTES = 9;
const TOKEN = /^[A-Za-z0-9_-]{28}$/;

/**
 * A page token is the place of the last task shown and a mark over it, the store's id and the filters of the query: a token of another
 * store, of other filters, or made up, does not bear the right mark. It grants nothing: the filters come anew with every page.
 */
export class PageTokens {
  constructor(private readonly storeId: string) {}

  encode(query: ListQuery, place: mongo.ObjectId): string {
    return Buffer.concat([place.id, this.mark(query, place)]).toString('base64url');
  }

  /** The place below which the page starts; `undefined` for the first page. Throws `InvalidRequest`. */
  decode(query: ListQuery): mongo.ObjectId | undefined {
    const token = query.pageToken;
    if (token === undefined) return undefined;
    if (!TOKEN.test(token)) throw refusal();
    const bytes = Buffer.from(token, 'base64url');
    const place = new mongo.ObjectId(bytes.subarray(0, PLACE_BYTES));
    if (!bytes.subarray(PLACE_BYTES).equals(this.mark(query, place))) throw refusal();
    return place;
  }

  private mark(query: ListQuery, place: mongo.ObjectId): Buffer {
    const tags = query.tags?.map((tag) => [tag.key, tag.value]) ?? [];
    const text = JSON.stringify([
      this.storeId,
      place.toHexString(),
      query.scopes ?? null,
      query.state ?? null,
      query.namePrefix ?? '',
      tags,
    ]);
    return hash('sha256', text, 'buffer').subarray(0, MARK_BYTES);
  }
}

function refusal(): InvalidRequest {
  const message = 'is not from an earlier page of the same query';
  return new InvalidRequest(`page_token ${message}`, { details: [{ path: 'page_token', message }] });
}
