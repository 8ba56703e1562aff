import { hash } from 'node:crypto';
import { InvalidRequest } from '../../ports/errors';
import type { ListQuery } from '../../ports/store/task-records';

const SEQ_BYTES = 6;
const MARK_BYTES = 10;
const TOKEN = /^[A-Za-z0-9_-]{22}$/;

/**
 * A page token is the sequence number of the last item shown and a mark over it, the store's id and the filters of the query:
 * a token of another store, of other filters, or made up, does not bear the right mark. It grants nothing: the filters come anew with every page.
 */
export class PageTokens {
  constructor(private readonly storeId: string) {}

  encode(query: ListQuery, seq: number): string {
    const bytes = Buffer.alloc(SEQ_BYTES + MARK_BYTES);
    bytes.writeUIntBE(seq, 0, SEQ_BYTES);
    this.mark(query, seq).copy(bytes, SEQ_BYTES);
    return bytes.toString('base64url');
  }

  /** The sequence number below which the page starts. Throws `InvalidRequest`. */
  decode(query: ListQuery): number {
    const token = query.pageToken;
    if (token === undefined) return Number.MAX_SAFE_INTEGER;
    const bytes = TOKEN.test(token) ? Buffer.from(token, 'base64url') : undefined;
    if (bytes === undefined) throw refusal();
    const seq = bytes.readUIntBE(0, SEQ_BYTES);
    if (!bytes.subarray(SEQ_BYTES).equals(this.mark(query, seq))) throw refusal();
    return seq;
  }

  private mark(query: ListQuery, seq: number): Buffer {
    const tags = query.tags?.map((tag) => [tag.key, tag.value]) ?? [];
    const text = JSON.stringify([this.storeId, seq, query.scopes ?? null, query.state ?? null, query.namePrefix ?? '', tags]);
    return hash('sha256', text, 'buffer').subarray(0, MARK_BYTES);
  }
}

function refusal(): InvalidRequest {
  const message = 'is not from an earlier page of the same query';
  return new InvalidRequest(`page_token ${message}`, { details: [{ path: 'page_token', message }] });
}
