import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';

const SCRIPT = resolve('src/backends/shared/script/job-host.sh');
const WITHOUT_REST =
  'make_trees() { mkdir -p trees/0/taken; }; directory() { found=$1; shift; for s; do found=$found/$s; mkdir -p "$found"; done; }';

describe('the inputs of a job on a worker', () => {
  const directory = temporaryDirectory('laying');
  const lay = (lines: string): { isLaid: boolean; there: readonly string[] } => {
    mkdirSync(join(directory(), 'inputs'));
    writeFileSync(join(directory(), 'inputs/0'), 'text');
    writeFileSync(join(directory(), 'inputs.sh'), lines);
    const { status } = spawnSync('sh', ['-c', `set -uf; . ${SCRIPT}; ${WITHOUT_REST}; lay_inputs`], { cwd: directory() });
    return { isLaid: status === 0, there: readdirSync(join(directory(), 'trees'), { recursive: true }).map(String).sort() };
  };

  it('lie at their places', () => {
    expect(lay("put inputs/0 666 'x' 'trees/0' 'd'\nput_link 'x' 'l' 'trees/0' 'd'\n")).toEqual({
      isLaid: true,
      there: ['0', '0/d', '0/d/l', '0/d/x', '0/taken'],
    });
  });

  it.each(["put inputs/0 666 'taken' 'trees/0'", "put_link '/x' 'taken' 'trees/0'"])(
    'are not put into a directory that has the name, such as a workdir, as if that were their place: %s',
    (line) => {
      expect(lay(`${line}\n`)).toEqual({ isLaid: false, there: ['0', '0/taken'] });
    },
  );
});
