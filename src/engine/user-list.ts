import { InvalidRequest } from '../ports/errors';
import type { AccessTokens } from '../ports/store/access-tokens';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import { ownerScope } from '../task/scopes';
import type { TesState } from '../task/tes';

/** Somebody who has tasks or tokens. */
export interface KnownUser {
  readonly owner: string;
  /** As the newest of the tasks or tokens says it. */
  readonly name?: string;
  /** A state without any is left out. */
  readonly tasks: Partial<Record<TesState, number>>;
  /** When the newest of the tasks was created, ms since the epoch. */
  readonly lastTaskAt?: number;
  /** Personal API tokens that have not expired. */
  readonly tokens: number;
}

export interface UserPage {
  readonly users: readonly KnownUser[];
  /** "" on the last page. */
  readonly nextPageToken: string;
}

/** Where a walk along everybody stands: those with tasks come first, then those with nothing but tokens. */
interface Place {
  readonly of: 'tasks' | 'tokens';
  readonly after: string;
}

/** Looks for those of one page among those who have nothing any more; then the page is short. */
const MOST_LOOKS = 8;

/** Everybody who has tasks or tokens, for admins. Each user of a page costs a few look-ups, whatever is stored. */
export class UserList {
  constructor(private readonly store: StoreClock & TaskRecords & { readonly accessTokens: Pick<AccessTokens, 'owners' | 'of'> }) {}

  /** At most `size`; a page may hold fewer, also with others after it. Throws InvalidRequest for a token that is not ours. */
  async page(size: number, pageToken: string | undefined): Promise<UserPage> {
    let place = pageToken === undefined ? { of: 'tasks' as const, after: '' } : placeIn(pageToken);
    const users: KnownUser[] = [];
    for (let looks = 0; looks < MOST_LOOKS && users.length < size; looks += 1) {
      const found = await this.next(place, size - users.length);
      const last = found.at(-1);
      if (last === undefined && place.of === 'tokens') return { users, nextPageToken: '' };
      place = last === undefined ? { of: 'tokens', after: '' } : { of: place.of, after: last };
      const isListed = (user: KnownUser): boolean => Object.keys(user.tasks).length > 0 === (place.of === 'tasks');
      users.push(...(await Promise.all(found.map((owner) => this.user(owner)))).filter((user) => has(user) && isListed(user)));
    }
    return { users, nextPageToken: Buffer.from(JSON.stringify([place.of, place.after])).toString('base64url') };
  }

  private next({ of, after }: Place, limit: number): Promise<readonly string[]> {
    return of === 'tasks' ? this.store.owners(after, limit) : this.store.accessTokens.owners(after, limit);
  }

  private async user(owner: string): Promise<KnownUser> {
    const [counts, tokens, newest] = await Promise.all([
      this.store.counts(ownerScope(owner)),
      this.store.accessTokens.of(owner),
      this.store.listMinimal({ scopes: [ownerScope(owner)], pageSize: 1 }),
    ]);
    const id = newest.items[0]?.[0];
    const task = id === undefined ? undefined : await this.store.getTask(id);
    const name = task?.ownerName ?? tokens.at(-1)?.principal.name;
    const now = this.store.now();
    return {
      owner,
      ...(name !== undefined && { name }),
      tasks: Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
      ...(task && { lastTaskAt: task.createdAt }),
      tokens: tokens.filter(({ expiresAt }) => expiresAt > now).length,
    };
  }
}

function has({ tasks, tokens }: KnownUser): boolean {
  return tokens > 0 || Object.keys(tasks).length > 0;
}

function placeIn(pageToken: string): Place {
  try {
    const place: unknown = JSON.parse(Buffer.from(pageToken, 'base64url').toString());
    const [of, after] = Array.isArray(place) ? (place as readonly unknown[]) : [];
    if ((of === 'tasks' || of === 'tokens') && typeof after === 'string') return { of, after };
  } catch {
    // Likewise.
  }
  throw new InvalidRequest('page_token is not one of this list', { details: [{ path: 'page_token', message: 'is not one of this list' }] });
}
