import { spawnSync } from 'node:child_process';
import { writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';

const script = join(__dirname, '../../../../../src/backends/shared/runtimes/apptainer.sh');

describe('the code with which apptainer ends', () => {
  const directory = temporaryDirectory('apptainer-code');
  const shell = (text: string): string =>
    spawnSync('sh', ['-c', `set -uf; . "${script}"; image=x OVERLAY=0 MARK=mark; ${text}`], {
      cwd: directory(),
      encoding: 'utf8',
    }).stdout.trim();
  const judged = (code: number, stdout: string, stderr: string, merged = false): string => {
    mkdirSync(join(directory(), 'streams'), { recursive: true });
    for (const [name, text] of Object.entries({ begun: '', stdout, stderr }))
      writeFileSync(join(directory(), 'streams', `0.${name}`), text);
    return shell(`merged_0() { ${merged}; }; code=${code}; after_executor 0 ${code} && echo "$code" || echo broken`);
  };

  it.each([
    ['apptainer is missing', '(open_0() { false; }; enter 0 not-there x)'],
    ['the groups of the job cannot be joined', '(exit 125)'],
    ['the image has gone', '(image=$PWD/image; open_0() { false; }; enter 0 true)'],
  ])("is no program's when %s", (_what, launch) => {
    expect(shell(`mkdir streams; ${launch} 2>streams/0.stderr; after_executor 0 $? && echo "program $?" || echo broken`)).toBe('broken');
  });

  it("is the program's once apptainer has begun", () => {
    expect(shell('mkdir streams; (enter 0 sh -c "exit 3"); code=$?; after_executor 0 $code && echo "$code"')).toBe('3');
  });

  it.each([
    ["was the program's own", 'true', 'ended'],
    ['was of a process of apptainer', 'echo Killed >signalled', 'killed 0 ended'],
    ['came from a cancel', 'echo Killed >signalled; true >mark', 'ended'],
  ])('137 that %s', (_what, before, expected) => {
    const said = shell(
      `mkdir streams; true >streams/0.begun; note() { printf '%s ' "$@"; }; ${before}; after_executor 0 137 && echo ended`,
    );
    expect(said).toBe(expected);
  });

  it.each([
    ['', 143],
    ['FATAL:   container creation failed: terminated\n', 143],
    ['going\n', 255],
  ])('255 with %j is %s when the job was cancelled', (words, expected) => {
    writeFileSync(join(directory(), 'mark'), '');
    expect(judged(255, '', words)).toBe(String(expected));
  });

  it.each([
    ['FATAL:   "x": executable file not found in $PATH\n', 127],
    ['WARNING: skipping mount of /x\nFATAL:   permission denied\n', 126],
    ['FATAL:   container creation failed: mount\nof several lines\n', 'broken'],
    ['FATAL: no license\n', 255],
    ['reading\nFATAL:   no such database\n', 255],
    ['', 255],
  ])('255 with %j is %s, also where both streams are one', (words, expected) => {
    expect(judged(255, '', words)).toBe(String(expected));
    expect(judged(255, words, '', true)).toBe(String(expected));
    expect(judged(255, 'said', words)).toBe('255');
  });
});
