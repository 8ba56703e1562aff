import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { layersAreWhole } from '../../../../src/backends/local/overlay-options';
import { temporaryDirectory } from '../temporary-directory';

const ERRAND = resolve('src/backends/shared/script/errand.sh');

describe('a layer over an image', () => {
  const directory = temporaryDirectory('overlay-options');
  const onWorker = (): boolean =>
    spawnSync('sh', ['-c', `eval "$(sed -n "/^layers_are_whole/,/^}/p" ${ERRAND})"; layers_are_whole "$1"`, 'sh', directory()]).status ===
    0;

  it.each([
    [{}, true],
    [{ metacopy: 'N', redirect_dir: 'N' }, true],
    [{ metacopy: 'Y', redirect_dir: 'N' }, false],
    [{ metacopy: 'N', redirect_dir: 'Y' }, false],
  ])('is whole by itself with %j: %s', (parameters, expected) => {
    for (const [name, value] of Object.entries(parameters)) writeFileSync(join(directory(), name), `${value}\n`);
    expect([layersAreWhole(directory()), onWorker()]).toEqual([expected, expected]);
  });
});
