import { streamLengths } from '../../../src/task/stream-lengths';
import type { ExecutorRecord } from '../../../src/task/task-record';
import type { TesExecutor, TesOutput } from '../../../src/task/tes';

const executor = (streams: Partial<TesExecutor>): TesExecutor => ({ image: 'i', command: ['c'], ...streams });
const ended = (stdout?: number, stderr?: number, unplaced?: true): ExecutorRecord => ({
  exitCode: 0,
  ...(stdout !== undefined && { stdout: { text: '', totalBytes: stdout, ...(unplaced && { unplaced }) } }),
  ...(stderr !== undefined && { stderr: { text: '', totalBytes: stderr } }),
});
const OUT: TesOutput = { path: '/o', url: 'file:///x', type: 'DIRECTORY' };
const lengths = (executors: readonly TesExecutor[], records: readonly ExecutorRecord[], outputs = [OUT]): object =>
  Object.fromEntries(streamLengths({ executors: [...executors], outputs }, records));

describe('the lengths of streams among the outputs', () => {
  it('are those of the last executor that ran, though an earlier one wrote to the same file', () => {
    const both = [executor({ stdout: '/o/out', stderr: '/o/first' }), executor({ stdout: '/o//out', stderr: '/o/err' })];
    expect(lengths(both, [ended(5, 6), ended(70_000, 2)])).toEqual({ '/o/out': 70_000, '/o/err': 2 });
    expect(lengths(both, [ended(5, 6)])).toEqual({ '/o/out': 5, '/o/first': 6 });
  });

  it('say nothing of what was not put in its place, is not known, or is no output', () => {
    const one = [executor({ stdout: '/o/out', stderr: '/elsewhere/err' })];
    expect(lengths(one, [ended(5, 6, true)])).toEqual({});
    expect(lengths(one, [ended(undefined, 6)])).toEqual({});
    expect(lengths(one, [])).toEqual({});
    expect(lengths([executor({})], [ended(5, 6)])).toEqual({});
  });

  it('count both streams where they have one file, and go with wildcards', () => {
    expect(lengths([executor({ stdout: '/o/out', stderr: '/o/out' })], [ended(5, 3)])).toEqual({ '/o/out': 5 });
    const pattern: TesOutput = { path: '/w/*.txt', path_prefix: '/w', url: 'file:///x', type: 'FILE' };
    expect(lengths([executor({ stdout: '/w/a.txt' })], [ended(5)], [pattern])).toEqual({ '/w/a.txt': 5 });
  });
});
