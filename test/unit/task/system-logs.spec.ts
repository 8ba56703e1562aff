import { addLines } from '../../../src/task/system-logs';

it('the lines of an attempt stay few: the first and the last, however many come and in whatever portions', () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => `line ${index}`);
  const atOnce = addLines(['first'], lines);
  const oneByOne = lines.slice(0, 3000).reduce<readonly string[]>((known, line) => addLines(known, [line]), []);
  for (const [kept, last] of [
    [atOnce, 'line 29999'],
    [oneByOne, 'line 2999'],
  ] as const) {
    expect(kept).toHaveLength(1000);
    expect(kept.filter((line) => line.includes('left out'))).toHaveLength(1);
    expect(kept.at(-1)).toBe(last);
  }
  expect(atOnce.slice(0, 2)).toEqual(['first', 'line 0']);
});

it('a line stays short, and Unicode', () => {
  const [line] = addLines([], [`${'x'.repeat(8191)}${'\u{1F600}'.repeat(10_000)}`]);
  expect(line?.length).toBe(8195);
  expect(line?.isWellFormed()).toBe(true);
});
