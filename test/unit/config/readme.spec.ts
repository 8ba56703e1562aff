import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

it('README.md holds the tables of settings and runtimes as the code has them', () => {
  const script = join(__dirname, '../../../scripts/readme-tables.mjs');
  expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
});
