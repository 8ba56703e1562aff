import { networkOf } from '../../ports/host-name';
import type { FailedLogins } from '../shared/failed-logins';
import { SecretMarks } from '../shared/secret-marks';
import { Turns, type TurnLimits } from '../shared/turns';

export interface PasswordCheckLimits extends TurnLimits {
  /** A password that was right is remembered for so long after its last use, ms, and so many are. */
  readonly rememberedMs: number;
  readonly remembered: number;
}

/** Each that is hashed takes a thread of the four that Node also reads files and asks name servers with. */
const LIMITS: PasswordCheckLimits = { atOnce: 2, waiting: 64, rememberedMs: 300_000, remembered: 10_000 };

export interface PasswordCheck {
  readonly address: string;
  readonly name: string;
  readonly password: string;
  readonly hash: string;
  /** There is no such user, and the hash is somebody else's: whatever the password, it is wrong, at the same cost. */
  readonly isDecoy: boolean;
}

/**
 * Says whether a password is right. Hashing one takes up to a second, and clients send theirs with every request: what was right is
 * remembered, as an HMAC under a key that only this process has, of everything that made it right. What was wrong is not.
 */
export class PasswordChecks {
  private readonly marks = new SecretMarks();
  /** When each was last used; the oldest first. */
  private readonly right = new Map<string, number>();
  private readonly underWay = new Map<string, Promise<boolean>>();
  private readonly turns: Turns;

  constructor(
    private readonly isPasswordOf: (hash: string, password: string) => Promise<boolean>,
    private readonly failed: FailedLogins,
    private readonly limits = LIMITS,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.turns = new Turns(limits);
  }

  /** Throws TooManyRequests, which whoever is remembered never gets. */
  async isRight(check: PasswordCheck): Promise<boolean> {
    const { name, password, hash, isDecoy } = check;
    const mark = this.marks.of(JSON.stringify([name, password, hash, isDecoy]));
    if (this.isRemembered(mark)) return true;
    // A client that opens many connections at once asks the same on each.
    const same = this.underWay.get(mark);
    if (same) return same;
    const asked = this.ask(check, mark).finally(() => this.underWay.delete(mark));
    this.underWay.set(mark, asked);
    return asked;
  }

  private async ask({ address, name, password, hash, isDecoy }: PasswordCheck, mark: string): Promise<boolean> {
    const takeBack = this.failed.begin(address, name);
    let isWrong = false;
    try {
      isWrong = !(await this.turns.take(networkOf(address), () => this.isPasswordOf(hash, password))) || isDecoy;
    } finally {
      // What was not looked at has not failed.
      if (!isWrong) takeBack();
    }
    if (!isWrong) this.remember(mark);
    return !isWrong;
  }

  private isRemembered(mark: string): boolean {
    const used = this.right.get(mark);
    if (used === undefined) return false;
    const isFresh = this.now() - used < this.limits.rememberedMs;
    if (isFresh) this.remember(mark);
    else this.right.delete(mark);
    return isFresh;
  }

  private remember(mark: string): void {
    this.right.delete(mark);
    this.right.set(mark, this.now());
    const [oldest] = this.right.size > this.limits.remembered ? this.right.keys() : [];
    if (oldest !== undefined) this.right.delete(oldest);
  }
}
