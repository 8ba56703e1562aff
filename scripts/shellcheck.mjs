// Looks at every shell script of the repository, with the one release of shellcheck that test/system/shellcheck pins.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, root, runCommand } from './steps.mjs';

const EXCLUDED = [
  // The parts of a script stand in several files, and in the plan that is generated: variables are set here and used there, and functions called.
  ...['SC1090', 'SC1091', 'SC2034', 'SC2154', 'SC2317', 'SC2329'],
  // `a= b=1`; `a && b || { note; return 1; }`, where b's failure is meant too; programs of another shell in single quotes; one name for a variable and a file.
  ...['SC1007', 'SC2015', 'SC2016', 'SC2094'],
];

const pins = createHash('sha256')
  .update(readFileSync(join(root, 'test/system/shellcheck/requirements.txt')))
  .digest('hex')
  .slice(0, 16);
const program = join(cacheDir('shellcheck'), pins, 'bin', 'shellcheck');

if (existsSync(program)) {
  // Tracked or new, but not what is ignored.
  const listed = await runCommand('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.sh']);
  const scripts = listed.output.split('\n').filter((name) => name !== '' && existsSync(join(root, name)));
  const { code, output } = await runCommand(program, ['--shell=sh', '--format=gcc', `--exclude=${EXCLUDED.join(',')}`, ...scripts]);
  process.stdout.write(output);
  process.exitCode = listed.code === 0 && scripts.length > 0 ? code : 1;
} else {
  console.log('the shell scripts were not checked: `test/system/install.sh shellcheck` installs what does it (needs python3 and PyPI)');
  process.exitCode = process.env.CI === 'true' ? 1 : 0;
}
