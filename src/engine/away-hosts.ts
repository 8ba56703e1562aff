import { type StorageAway, TransferError } from '../ports/errors';

/** Between two checks whether a storage is back, ms. */
const CHECK_MS = 1000;
/** However long one answer wants to be left alone (`Retry-After`): it need not speak for all of its host, and may be a mistake, ms. */
const LONGEST_PAUSE_MS = 60_000;
/** A check that lasts longer says nothing, for it may be a slow transfer with a host that is back: another one checks it, too, ms. */
const LONGEST_CHECK_MS = 120_000;
/** Hosts known at once; the one that failed longest ago is forgotten first. */
const MOST = 1000;
/** More than any name and port has: what is longer is no host, and is not remembered. */
const LONGEST_HOST = 300;

interface Known {
  /** By this process's own clock, ms. */
  readonly failedAt: number;
  readonly away: StorageAway;
  /** Since when a transfer checks it; -Infinity when none does. */
  checkedAt: number;
  /** When a task was let through that may check it, but has not come yet. */
  letThroughAt: number;
}

/**
 * Which storage hosts were found away, by transfers that tried as often as they may. Until such a host is back one transfer at a time, of
 * all backends, finds out whether it is; the others fail at once instead of holding room and places while they try or time out.
 */
export class AwayHosts {
  private readonly known = new Map<string, Known>();

  /** A transfer with this host failed for good, for now. */
  failed(host: string, away: StorageAway): void {
    if (host.length > LONGEST_HOST) return;
    const checkedAt = this.known.get(host)?.checkedAt ?? -Infinity;
    this.known.delete(host);
    this.known.set(host, { failedAt: performance.now(), away, checkedAt, letThroughAt: -Infinity });
    const [oldest] = this.known.keys();
    if (this.known.size > MOST && oldest !== undefined) this.known.delete(oldest);
  }

  /**
   * To be called before data is moved with these hosts; what it returns, for each as soon as it answers, and for all afterwards: a host that
   * has not `failed` again by then is back. Throws `TransferError.away` when one of them is known to be away and another transfer checks it, or
   * did a moment ago: in the words of the caller's own failure before, where it had one. How long it is waited for at most is not for the
   * failures of others to say: this one is never `brief`, and whose last try it is comes in where the host `answered` others.
   */
  enter(hosts: readonly string[], failedBefore?: string, isLastTry = false): (host?: string) => void {
    this.check(hosts, failedBefore, isLastTry);
    const entered = this.knownOf(hosts);
    for (const { known } of entered) known.checkedAt = performance.now();
    const left = new Set<string>();
    return (only) => {
      for (const { host, known } of entered) {
        if (left.has(host) || (only !== undefined && only !== host)) continue;
        left.add(host);
        const current = this.known.get(host);
        if (current === known) this.known.delete(host);
        else if (current) current.checkedAt = -Infinity;
      }
    };
  }

  /** Throws as `enter` would, where nothing has been made for the transfer yet. */
  check(hosts: readonly string[], failedBefore?: string, isLastTry = false): void {
    const refused = this.knownOf(hosts).find(({ known }) => !mayBeTried(known) && !(isLastTry && known.away.answered === true));
    if (refused) throw refusalOf(refused, failedBefore);
  }

  /** Whether one of them was found away, and not back since. */
  knows(hosts: readonly string[]): boolean {
    return this.knownOf(hosts).length > 0;
  }

  /**
   * For who has not even begun: why `enter` would throw; `undefined` for one in each pause, who is to come in soon. So of thousands that
   * wait one begins, and the others need not come all the way to hear it.
   */
  refusal(hosts: readonly string[], failedBefore?: string): TransferError | undefined {
    const known = this.knownOf(hosts);
    const now = performance.now();
    const refused = known.find(({ known: one }) => !mayBeTried(one) || now - one.letThroughAt < CHECK_MS);
    if (refused) return refusalOf(refused, failedBefore);
    for (const { known: one } of known) one.letThroughAt = now;
    return undefined;
  }

  private knownOf(hosts: readonly string[]): readonly KnownHost[] {
    return hosts.flatMap((host) => {
      const known = this.known.get(host);
      return known ? [{ host, known }] : [];
    });
  }
}

interface KnownHost {
  readonly host: string;
  readonly known: Known;
}

function mayBeTried({ checkedAt, failedAt, away }: Known): boolean {
  const now = performance.now();
  return now - checkedAt >= LONGEST_CHECK_MS && now - failedAt >= Math.max(CHECK_MS, pauseOf(away));
}

function pauseOf({ retryAfterMs = 0 }: StorageAway): number {
  return Math.min(LONGEST_PAUSE_MS, retryAfterMs);
}

function refusalOf({ host, known: { away } }: KnownHost, failedBefore?: string): TransferError {
  const words = failedBefore ?? `${host} is away, another transfer checks whether it is back`;
  const retryAfterMs = pauseOf(away);
  return new TransferError(words, { retryable: true, away: retryAfterMs > 0 ? { retryAfterMs } : {} });
}
