import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const top = join(__dirname, '../../..');

/** The module is an ES module of plain JavaScript: a process of its own imports it. */
function call(name: 'judge' | 'faultsOf', ...args: readonly unknown[]): unknown {
  const script = `
    const list = await import(${JSON.stringify(join(top, 'scripts/break-list.mjs'))});
    console.log(JSON.stringify(list[process.argv[1]](...JSON.parse(process.argv[2]))));`;
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script, name, JSON.stringify(args)], { encoding: 'utf8' }),
  );
}

describe('the deliberate breaks of test/breaks', () => {
  it('each fit the code, and name spec files and tests that are there', () => {
    const said = execFileSync(process.execPath, [join(top, 'scripts/breaks.mjs'), '--check'], { encoding: 'utf8' });
    expect(said).toMatch(/^\d+ breaks, 0 faults$/m);
  });

  const sound = {
    room: 'a room',
    broken: 'words',
    changes: [{ file: 'src/task/tes.ts', find: 'export const TES_VIEWS', replace: '' }],
    seenBy: [{ spec: 'test/unit/task/tags.spec.ts', tests: 'the tag filter' }],
  };
  const change = (one: object): object => ({ ...sound, changes: [{ ...sound.changes[0], ...one }] });
  it.each([
    ['nothing', sound, []],
    ['a file that is not there', change({ file: 'src/task/none.ts' }), ['src/task/none.ts is not there']],
    ['a text that is not there', change({ find: 'none of it' }), ['src/task/tes.ts holds "none of it" 0 times']],
    ['a text that is there often', change({ find: 'export' }), [expect.stringMatching(/holds "export" \d+ times$/)]],
    ['a change of nothing', change({ replace: sound.changes[0]?.find }), ['a change of src/task/tes.ts changes nothing']],
    ['a word that it does not know', { ...sound, seen: [] }, ['what is "seen"?']],
    ['no spec file', { ...sound, seenBy: [{ spec: 'test/unit/none.spec.ts' }] }, ['test/unit/none.spec.ts is not there']],
    [
      'a test that is not there',
      { ...sound, seenBy: [{ spec: 'test/unit/task/tags.spec.ts', tests: 'none of it' }] },
      ['test/unit/task/tags.spec.ts has no test "none of it"'],
    ],
  ])('are held against it: %s', (_, entry, faults) => {
    expect(call('faultsOf', top, entry)).toEqual(faults.map((fault) => (typeof fault === 'string' ? `a room: words: ${fault}` : fault)));
  });
});

describe('a break', () => {
  const test = (fullName: string, status: string, ...failureMessages: string[]) => ({ fullName, status, failureMessages });
  const run = (...assertionResults: unknown[]) => ({
    ms: 1000,
    isOver: false,
    summary: { testResults: [{ status: '', assertionResults }] },
  });
  const unloaded = {
    ms: 1,
    isOver: false,
    summary: { testResults: [{ status: 'failed', assertionResults: [], message: 'Syntax Error' }] },
  };
  const before = run(test('a', 'passed'), test('b', 'failed', 'it always does'));

  it('is seen by a test that failed and had passed', () => {
    expect(call('judge', run(test('a', 'failed', 'expected 1'), test('b', 'failed', 'it always does')), before)).toEqual({ seen: ['a'] });
  });

  it('is seen by a spec file that does not end any more', () => {
    expect(call('judge', { ms: 60_000, isOver: true }, before)).toEqual({ seen: ['it did not end within 60 s, and had within 1 s'] });
  });

  it.each([
    ['a test that fails anyway', run(test('b', 'failed', 'it always does')), 'fails without the break, too: b'],
    ['code that names what is not there', run(test('a', 'failed', 'ReferenceError: x is not defined')), /^the changed code is no program/],
    [
      'code that cannot be built',
      run(test('a', 'failed', 'Error: Command failed: ...\nthe server cannot be built')),
      /^the changed code is no/,
    ],
    ['code that does not compile', unloaded, 'the spec file does not load: Syntax Error'],
    ['jest when it is ended', { ms: 1, isOver: false }, 'jest left no results'],
    ['tests that pass', run(test('a', 'passed')), 'every test passed'],
  ])('is not seen by %s', (_, after, why) => {
    expect(call('judge', after, before)).toEqual({ seen: [], why: typeof why === 'string' ? why : expect.stringMatching(why) });
  });

  it('is not seen where no test passes without it', () => {
    expect(call('judge', unloaded, unloaded)).toMatchObject({ seen: [], why: 'no test passes without the break' });
  });
});
