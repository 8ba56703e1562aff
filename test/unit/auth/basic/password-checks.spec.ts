import { FailedLogins } from '../../../../src/auth/shared/failed-logins';
import { PasswordChecks } from '../../../../src/auth/basic/password-checks';
import { TooManyRequests } from '../../../../src/ports/errors';

const LIMITS = { atOnce: 2, waiting: 3, rememberedMs: 1000, remembered: 2 };
const MANY = { most: 1_000_000, everyMs: 1 };

/** Hashing that ends when the test says so. The password `right` is right. */
class Bench {
  now = 0;
  readonly hashed: string[] = [];
  readonly open: (() => void)[] = [];
  isHeld = false;
  readonly checks: PasswordChecks;
  constructor(name = MANY) {
    const failed = new FailedLogins({ name, address: MANY, counted: 1000 }, () => this.now);
    this.checks = new PasswordChecks(
      (hash, password) => this.hash(hash, password),
      failed,
      LIMITS,
      () => this.now,
    );
  }
  check(password: string, changes: { name?: string; hash?: string; isDecoy?: boolean; address?: string } = {}): Promise<boolean> {
    return this.checks.isRight({ address: '10.0.0.1', name: 'ann', hash: 'h', isDecoy: false, password, ...changes });
  }
  private async hash(hash: string, password: string): Promise<boolean> {
    this.hashed.push(`${hash} ${password}`);
    if (this.isHeld) await new Promise<void>((resolve) => this.open.push(resolve));
    return password === 'right';
  }
}

describe('checks of passwords', () => {
  it('hash what was right once, until it was not used for a while', async () => {
    const bench = new Bench();
    for (let at = 0; at < 5; at += 1) {
      await expect(bench.check('right')).resolves.toBe(true);
      bench.now += 900;
    }
    expect(bench.hashed).toEqual(['h right']);
    bench.now += 1000;
    await expect(bench.check('right')).resolves.toBe(true);
    expect(bench.hashed).toHaveLength(2);
  });

  it('remember neither another password, name nor hash, nor what was wrong', async () => {
    const bench = new Bench();
    await bench.check('right');
    await expect(bench.check('wrong')).resolves.toBe(false);
    await expect(bench.check('wrong')).resolves.toBe(false);
    await bench.check('right', { name: 'bob' });
    await bench.check('right', { hash: 'new' });
    expect(bench.hashed).toEqual(['h right', 'h wrong', 'h wrong', 'h right', 'new right']);
  });

  it('let nobody in as somebody who is not there, with whosoever password, and remember nothing of it', async () => {
    const bench = new Bench();
    for (let at = 0; at < 2; at += 1) await expect(bench.check('right', { name: 'nobody', isDecoy: true })).resolves.toBe(false);
    expect(bench.hashed).toHaveLength(2);
  });

  it('remember a bounded number', async () => {
    const bench = new Bench();
    for (const name of ['a', 'b', 'c']) await bench.check('right', { name });
    await bench.check('right', { name: 'a' });
    expect(bench.hashed).toHaveLength(4);
  });

  it('hash the same once for all who ask at once', async () => {
    const bench = new Bench();
    await expect(Promise.all(Array.from({ length: 50 }, () => bench.check('right')))).resolves.toEqual(Array(50).fill(true));
    expect(bench.hashed).toEqual(['h right']);
  });

  it('hash two at once, have three wait in turn, and refuse more; what is remembered passes', async () => {
    const bench = new Bench();
    await bench.check('right');
    bench.isHeld = true;
    const all = Array.from({ length: 6 }, (_, at) => bench.check(`wrong ${at}`));
    const ends = Promise.allSettled(all);
    expect(bench.hashed.slice(1)).toEqual(['h wrong 0', 'h wrong 1']);
    await expect(all[5]).rejects.toBeInstanceOf(TooManyRequests);
    await expect(bench.check('right')).resolves.toBe(true);
    bench.isHeld = false;
    for (const end of bench.open.splice(0)) end();
    expect((await ends).map(({ status }) => status)).toEqual([...Array<string>(5).fill('fulfilled'), 'rejected']);
    expect(bench.hashed.slice(1)).toEqual([0, 1, 2, 3, 4].map((at) => `h wrong ${at}`));
    // All places are free again.
    await expect(Promise.all([bench.check('x'), bench.check('y')])).resolves.toEqual([false, false]);
  });

  it('hash the first of another address next, however many of one wait, and refuse the last of these when there is no room', async () => {
    const bench = new Bench();
    bench.isHeld = true;
    const guesses = Array.from({ length: 5 }, (_, at) => bench.check(`wrong ${at}`));
    const ends = Promise.allSettled(guesses);
    const other = bench.check('right', { name: 'bob', hash: 'bob', address: '10.0.0.2' });
    await expect(guesses[4]).rejects.toBeInstanceOf(TooManyRequests);
    bench.isHeld = false;
    for (const end of bench.open.splice(0)) end();
    await expect(other).resolves.toBe(true);
    await ends;
    expect(bench.hashed).toEqual(['h wrong 0', 'h wrong 1', 'h wrong 2', 'bob right', 'h wrong 3']);
  });

  it('hash no more than the failed logins allow, also when all come at once; who is remembered goes on', async () => {
    const bench = new Bench({ most: 10, everyMs: 1_000_000 });
    for (let at = 0; at < 20; at += 1) await bench.check('right', { hash: `h${at}` });
    await bench.check('right');
    bench.hashed.length = 0;
    const guesses = await Promise.allSettled(Array.from({ length: 1000 }, (_, at) => bench.check(`guess ${at}`)));
    expect(bench.hashed.length).toBeLessThanOrEqual(10);
    expect(new Set(guesses.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).constructor] : [])))).toEqual(
      new Set([TooManyRequests]),
    );
    await expect(bench.check('right')).resolves.toBe(true);
  });
});
