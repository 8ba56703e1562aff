import { parseProgress, parseStarted } from '../../../../src/backends/shared/job-progress';

describe('progress', () => {
  it('tells what each executor did', () => {
    const progress = parseProgress('image 1.00 0 sha256:ab\nbegin 1.50 0\nend 2.25 0 3\nbegin 2.26 1\n');
    expect(progress.executors).toEqual([{ startedUp: 1.5, endedUp: 2.25, exitCode: 3 }, { startedUp: 2.26 }]);
    expect(progress.notes).toEqual([{ word: 'image', text: '0 sha256:ab' }]);
    expect(progress.ending).toBeUndefined();
  });

  it('has an ending only when the last line is whole', () => {
    expect(parseProgress('begin 1.0 0\nend 1.1 0 0\nsynced 1.2 0\ndone 1.2 succeeded\n')).toMatchObject({
      ending: 'succeeded',
      synced: true,
    });
    expect(parseProgress('begin 1.0 0\ndone 1.2 succ').ending).toBeUndefined();
    expect(parseProgress('done 1.2 whatever\n').ending).toBeUndefined();
    expect(parseProgress('\0\0\0\0').ending).toBeUndefined();
  });

  it('ignores the end of an executor that never began', () => {
    expect(parseProgress('end 1.0 0 1\n').executors).toEqual([]);
  });
});

describe('the started link', () => {
  it('names one process of one boot', () => {
    expect(parseStarted('12 3456 0a-b\n')).toEqual({ pid: 12, startTicks: '3456', bootId: '0a-b' });
  });

  it('is nothing when it is cut', () => {
    expect(parseStarted('12 3456')).toBeUndefined();
    expect(parseStarted('')).toBeUndefined();
  });
});
