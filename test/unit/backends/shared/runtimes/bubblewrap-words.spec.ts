import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';

const script = join(__dirname, '../../../../../src/backends/shared/runtimes/bubblewrap.sh');

describe('what bubblewrap jobs say of a program that cannot be started', () => {
  const directory = temporaryDirectory('bubblewrap-words');
  const said = (program: string, command: string, merged = false): string => {
    const stream = merged ? 'stdout' : 'stderr';
    const text = `set -uf; . "${script}"; program=$1; mkdir -p streams; merged_0() { ${merged}; }; { ${command}; } 2>streams/0.${stream}; name_program 0; cat streams/0.${stream}`;
    return spawnSync('sh', ['-c', text, 'sh', program], { cwd: directory(), encoding: 'utf8' }).stdout;
  };
  const start = '"$nice" -n 0 -- "$program"';

  it.each([['no-such'], ["with 'quotes'"], ['with blanks'], ['/none/at-all']])('names %s as the task does', (program) => {
    expect(said(program, start)).toBe(`${program}: No such file or directory\n`);
    expect(said(program, start, true)).toBe(`${program}: No such file or directory\n`);
  });

  it('names one that may not be executed', () => {
    expect(said('/etc/passwd', start)).toBe('/etc/passwd: Permission denied\n');
  });

  it("changes nothing of a program's own words", () => {
    expect(said('sh', `sh -c '"$1" other' sh "$nice"; "$nice" -n 0 other`)).toMatch(/nice: .other.: No such file/);
    expect(said('sh', 'printf "%s: sh: one\\ntwo\\n" "$nice" >&2')).toMatch(/nice: sh: one\ntwo\n$/);
  });
});
