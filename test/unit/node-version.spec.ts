import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const src = join(__dirname, '..', '..', 'src');

it.each(['main.ts', 'store.main.ts', 'stager.main.ts'])('%s looks at the version of Node before anything else is loaded', (program) => {
  const imports = [...readFileSync(join(src, program), 'utf8').matchAll(/^import .*$/gm)].map(([line]) => line);
  expect(imports[0]).toBe("import './node-version';");
});

it('an older Node is told from one that will do, in one sentence', () => {
  const run = (version: string) => {
    const old = `Object.defineProperty(process.versions, 'node', { value: '${version}' });`;
    return spawnSync(process.execPath, ['-e', `${old} require(${JSON.stringify(join(src, 'node-version.ts'))}); console.log('goes on')`], {
      encoding: 'utf8',
    });
  };
  expect(run('20.19.4')).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringMatching(/^tes-gateway needs Node 24 or newer, .*\n$/),
  });
  expect(run('24.0.0')).toMatchObject({ status: 0, stdout: 'goes on\n' });
});
