import { StoreClock } from '../../../../src/stores/mongo/store-clock';

describe("the store's time from the server's clock", () => {
  let monotonic: number;
  let clock: StoreClock;
  const correct = (server: number, roundTrip = 0): void => clock.correct({ server, sent: monotonic - roundTrip, received: monotonic });
  beforeEach(() => {
    monotonic = 1000;
    clock = new StoreClock({ server: 500_000, sent: monotonic, received: monotonic }, () => monotonic);
  });

  it('goes on by the monotonic clock, and forward with the server', () => {
    monotonic += 70;
    expect(clock.now()).toBe(500_070);
    correct(510_000);
    expect(clock.now()).toBe(510_000);
  });

  it('never steps back when the server does: it stands still until the server has come up to it', () => {
    correct(499_400);
    const seen = [clock.now()];
    for (let at = 0; at < 8; at += 1) {
      monotonic += 100;
      seen.push(clock.now());
    }
    expect(seen.slice(0, 6)).toEqual(Array(6).fill(500_000));
    expect(seen.slice(6)).toEqual([500_000, 500_100, 500_200]);
  });

  it('goes on at half speed when the server stepped far back, so that nobody waits for hours', () => {
    correct(500_000 - 3_600_000);
    expect(clock.now()).toBe(500_000);
    monotonic += 10_000;
    expect(clock.now()).toBe(505_000);
    monotonic += 2 * 3_600_000;
    const caughtUp = clock.now();
    expect(caughtUp).toBeGreaterThan(500_000);
    monotonic += 60_000;
    expect(clock.now()).toBeGreaterThanOrEqual(caughtUp + 30_000);
  });

  it('is not moved by an answer that says no more than how long it was on the way', () => {
    correct(499_990, 100);
    expect(clock.now()).toBe(500_000);
    correct(500_350, 100);
    expect(clock.now()).toBe(500_400);
  });
});
