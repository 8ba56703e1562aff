import type { AuditEntry } from '../ports/audit';
import { networkOf } from '../ports/host-name';
import { TokenBuckets } from '../ports/token-buckets';
import type { AppendedFile } from './appended-file';

/** Lines of what was refused: clients may try as often as they like, and must not fill the disk. */
const REFUSED = { ofAddress: { most: 100, everyMs: 1000 }, ofAll: { most: 1000, everyMs: 20 }, addresses: 20_000 };
const ALL = 'all';
/** Longest text of one member, characters. */
const LONGEST = 256;

/** Who did what: an object of JSON for each act, on a line of its own. What is left out is counted in the next line. */
export class AuditLog {
  private readonly refusedOf: TokenBuckets;
  private readonly refusedOfAll: TokenBuckets;
  private leftOut = 0;

  constructor(
    private readonly file: Pick<AppendedFile, 'append'>,
    private readonly wallNow: () => number = Date.now,
    now?: () => number,
  ) {
    this.refusedOf = new TokenBuckets(REFUSED.ofAddress, REFUSED.addresses, now);
    this.refusedOfAll = new TokenBuckets(REFUSED.ofAll, 1, now);
  }

  record(entry: AuditEntry): void {
    const isWritten = (entry.status < 400 || this.mayBeRefused(entry.address)) && this.file.append(this.lineOf(entry));
    this.leftOut = isWritten ? 0 : this.leftOut + 1;
  }

  private mayBeRefused(address: string): boolean {
    const from = networkOf(address);
    if (this.refusedOf.waitMs(from) > 0 || this.refusedOfAll.waitMs(ALL) > 0) return false;
    this.refusedOf.take(from);
    this.refusedOfAll.take(ALL);
    return true;
  }

  private lineOf({ event, task, token, tokenOf, credential, owner, name, roles, address, status }: AuditEntry): string {
    // An issuer has no `|`; who did not log in is of none.
    const [, issuer, subject] = /^([^|]*)\|(.*)$/s.exec(owner ?? '') ?? [];
    const who = issuer === undefined ? { subject: owner } : { issuer, subject };
    const time = new Date(this.wallNow()).toISOString();
    const line = {
      time,
      event,
      task,
      token,
      token_of: tokenOf,
      credential,
      ...who,
      name,
      roles,
      address,
      status,
      ...(this.leftOut > 0 && { left_out: this.leftOut }),
    };
    return onOneLine(JSON.stringify(line, (_key, value: unknown) => (typeof value === 'string' ? value.slice(0, LONGEST) : value)));
  }
}

/** JSON leaves some characters as they are that end lines, or hide what stands beside them, elsewhere. */
function onOneLine(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
