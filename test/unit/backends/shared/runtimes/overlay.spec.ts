import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';

const SCRIPT = resolve('src/backends/shared/runtimes/overlay.sh');

describe('a layer over an image', () => {
  const directory = temporaryDirectory('overlay');
  const carryOut = (call: string, path = process.env['PATH'] ?? '') =>
    spawnSync('/bin/sh', ['-c', `. ${SCRIPT}\n${call}`, 'sh', directory()], {
      cwd: directory(),
      encoding: 'utf8',
      env: { ...process.env, PATH: path },
    });

  it.each([
    [{}, true],
    [{ metacopy: 'N', redirect_dir: 'N' }, true],
    [{ metacopy: 'Y', redirect_dir: 'N' }, false],
    [{ metacopy: 'N', redirect_dir: 'Y' }, false],
  ])('is whole by itself with %j: %s', (parameters, expected) => {
    for (const [name, value] of Object.entries(parameters)) writeFileSync(join(directory(), name), `${value}\n`);
    expect(carryOut('layers_are_whole "$1"').status === 0).toBe(expected);
  });

  it.each([
    ['FATAL: stat /none: no such file or directory', 'yes'],
    ['FATAL: while mounting an overlay for /none: operation not permitted', 'no'],
    ['sh: apptainer: not found', 'no'],
  ])('can be had where only the program is missing: %s', (said, expected) => {
    const programs = join(directory(), 'programs');
    mkdirSync(programs);
    writeFileSync(join(programs, 'apptainer'), `#!/bin/sh\necho '${said}' >&2\nexit 255\n`);
    chmodSync(join(programs, 'apptainer'), 0o755);
    const whole = carryOut('layers_are_whole() { :; }\ntry_overlay', `${programs}:${process.env['PATH'] ?? ''}`);
    expect(whole.stdout).toBe(`${expected}\n`);
  });
});
