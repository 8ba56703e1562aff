import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRAND_PLACES, errandCommandLine } from '../../../../../src/backends/pulsar/pulsar.manifest';
import { errandScript } from '../../../../../src/backends/shared/script/script-manifest';
import { parseProbe } from '../../../../../src/backends/shared/script/worker-facts';
import { temporaryDirectory } from '../../temporary-directory';

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

describe('errands on a worker', () => {
  const directory = temporaryDirectory('errand');
  const staging = (): string => join(directory(), 'staging');

  beforeEach(() => {
    chmodSync(directory(), 0o755);
    mkdirSync(staging(), { mode: 0o755 });
    mkdirSync(join(staging(), 'job'), { mode: 0o755 });
    for (const name of ['working', 'metadata', 'tool_files']) mkdirSync(join(staging(), 'job', name));
    writeFileSync(join(staging(), 'job', 'tool_files', 'job.sh'), errandScript('bubblewrap', {}, ERRAND_PLACES));
  });

  const run = (verb: string, words: readonly string[], uid?: number): string => {
    const command = errandCommandLine(verb, words);
    spawnSync('/bin/sh', ['-c', command], { cwd: join(staging(), 'job', 'working'), ...(uid !== undefined && { uid }) });
    return readFileSync(join(staging(), 'job', 'metadata', 'answer'), 'utf8');
  };
  const probe = (uid?: number): string => run('probe', ['tes-gateway-no-group', '', '', '', '', '', 'no-runtime'], uid);
  const openFaults = (answer: string): readonly string[] =>
    parseProbe(answer, 'bubblewrap').faults.filter((fault) => fault.startsWith('other users'));
  const modeOf = (path: string): number => statSync(path).mode & 0o777;

  it('closes the directory of all jobs to other users of the worker', () => {
    expect(openFaults(probe())).toEqual([]);
    expect(modeOf(staging())).toBe(0o700);
  });

  it('leaves it as it is where Pulsar closes the directory of each job', () => {
    chmodSync(join(staging(), 'job'), 0o700);
    expect(openFaults(probe())).toEqual([]);
    expect(modeOf(staging())).toBe(0o755);
  });

  it('says which directory it can neither close nor finds closed', () => {
    // Only root can be somebody else, in a directory that is not theirs.
    if (!isRoot) return;
    chmodSync(staging(), 0o1777);
    for (const name of ['working', 'metadata']) chownSync(join(staging(), 'job', name), NOBODY, NOBODY);
    expect(openFaults(probe(NOBODY))).toEqual([
      `other users of the worker can enter ${staging()}, where secrets of tasks lie, and the jobs' own user cannot close it (chmod 700 it)`,
    ]);
    expect(modeOf(staging())).toBe(0o777);
  });

  it('removes, when it lists jobs, the copies of images that nobody has used for a week', () => {
    const images = join(staging(), '.tes-gateway', 'images', 'apptainer');
    mkdirSync(images, { recursive: true });
    for (const [name, days] of [
      ['1.2 old.sif', 30],
      ['1.2 old.used', 8],
      ['1.3.sif', 30],
      ['1.3.used', 5],
      ['abcdef.sif', 90],
      ['1.4.sif.tes-abc-1', 2],
      ['1.5.sif.tes-abc-1', 0],
    ] as const) {
      writeFileSync(join(images, name), '');
      utimesSync(join(images, name), new Date(), new Date(Date.now() - days * 24 * 3600_000));
    }
    expect(run('names', ['somebody'])).toBe('');
    expect(readdirSync(images).sort()).toEqual(['1.3.sif', '1.3.used', '1.5.sif.tes-abc-1', 'abcdef.sif']);
  });
});
