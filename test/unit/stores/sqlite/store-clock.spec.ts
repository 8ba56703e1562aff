import { StoreClock } from '../../../../src/stores/sqlite/store-clock';

const HOUR = 3_600_000;

describe('StoreClock', () => {
  it('is the wall time at open, advanced by the monotonic clock', () => {
    let wall = 1000.7;
    let monotonic = 5;
    const clock = new StoreClock(
      () => wall,
      () => monotonic,
      0,
      HOUR,
    );
    expect(clock.now()).toBe(1000);
    monotonic += 10.5;
    wall -= HOUR;
    expect(clock.now()).toBe(1011);
  });

  it('stays where it is should the monotonic clock step back', () => {
    let monotonic = 100;
    const clock = new StoreClock(
      () => 5000,
      () => monotonic,
      0,
      HOUR,
    );
    monotonic += 50;
    expect(clock.now()).toBe(5050);
    monotonic -= 50;
    expect(clock.now()).toBe(5050);
  });

  const openedAt = (wall: number, mark: number): number =>
    new StoreClock(
      () => wall,
      () => 0,
      mark,
      HOUR,
    ).now();

  it('goes on from the saved mark when the wall clock has been set back', () => {
    expect(openedAt(10 * HOUR, 10 * HOUR + 1000)).toBe(10 * HOUR + 1000);
  });

  it('believes the wall clock when the mark is further ahead than any interval', () => {
    expect(openedAt(10 * HOUR, 34 * HOUR)).toBe(10 * HOUR);
  });
});
