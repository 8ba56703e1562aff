import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The module is an ES module of plain JavaScript: a process of its own imports it. */
function settled(first: unknown, again: readonly unknown[]): unknown {
  const module = join(__dirname, '../../../scripts/verify-results.mjs');
  const script = `
    const { filesOf, settle, sum } = await import(${JSON.stringify(module)});
    const [first, again] = JSON.parse(process.argv[1]);
    const { files, unstable } = settle(filesOf(first), new Map(again.flatMap(filesOf).map((file) => [file.file, file])));
    console.log(JSON.stringify({ ...sum(files), unstable }));`;
  const args = ['--input-type=module', '-e', script, JSON.stringify([first, again])];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
}

const test = (fullName: string, status: string) => ({ fullName, status });
const file = (name: string, status: string, ...assertionResults: unknown[]) => ({ testResults: [{ name, status, assertionResults }] });
const together = (...summaries: { testResults: unknown[] }[]) => ({ testResults: summaries.flatMap(({ testResults }) => testResults) });

describe('the sum of npm run verify', () => {
  const well = file('well.spec.ts', 'passed', test('a', 'passed'), test('b', 'pending'));
  const failed = file('shaky.spec.ts', 'failed', test('c', 'failed'), test('d', 'passed'), test('e', 'failed'));

  it('counts a spec file that passes when it is run once more, alone, and names it as unstable', () => {
    const again = file('shaky.spec.ts', 'passed', test('c', 'passed'), test('d', 'passed'), test('e', 'passed'));
    expect(settled(together(well, failed), [again])).toEqual({
      passed: 4,
      failed: 0,
      skipped: 1,
      unstable: [{ file: 'shaky.spec.ts', failedTests: ['c', 'e'] }],
    });
  });

  it.each([
    ['fails again, in another test', [file('shaky.spec.ts', 'failed', test('c', 'passed'), test('d', 'failed'), test('e', 'passed'))]],
    ['cannot be loaded then', [file('shaky.spec.ts', 'failed')]],
    ['runs no test then', [file('shaky.spec.ts', 'passed', test('c', 'pending'))]],
    ['leaves no results then', []],
  ])('keeps the failures of a spec file that %s', (_, again) => {
    expect(settled(together(well, failed), again)).toEqual({ passed: 2, failed: 2, skipped: 1, unstable: [] });
  });

  it('counts a spec file that cannot be loaded, or whose clean-up fails, as one failure', () => {
    const broken = together(file('syntax.spec.ts', 'failed'), file('after-all.spec.ts', 'failed', test('f', 'passed')));
    expect(settled(broken, [])).toEqual({ passed: 1, failed: 2, skipped: 0, unstable: [] });
  });

  it('comes to nothing without results', () => {
    expect(settled(null, [])).toEqual({ passed: 0, failed: 0, skipped: 0, unstable: [] });
  });
});
