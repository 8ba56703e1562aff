import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageRefusals, imageSource } from '../../../../src/backends/pulsar/worker-images';
import type { WorkerImageSettings } from '../../../../src/backends/pulsar/worker-images';
import { temporaryDirectory } from '../temporary-directory';

const settings = (runtime: WorkerImageSettings['runtime']): WorkerImageSettings => ({
  runtime,
  imageDirectories: ['/cvmfs/images'],
  pull: 'missing',
});
const refusals = (runtime: WorkerImageSettings['runtime'], image: string): number =>
  imageRefusals({ executors: [{ image, command: ['true'] }] }, settings(runtime)).length;

describe('images on a Pulsar worker', () => {
  const directory = temporaryDirectory();

  it('takes a name from a registry, with or without docker://', () => {
    const source = { kind: 'registry', reference: 'alpine:3', pull: 'missing' };
    expect(imageSource('alpine:3', settings('podman'))).toEqual(source);
    expect(imageSource('docker://alpine:3', settings('apptainer'))).toEqual(source);
    expect(refusals('apptainer', 'docker://alpine:3')).toBe(0);
  });

  it('takes image files with apptainer alone, and only below the directories of the settings', () => {
    expect(imageSource('file:///cvmfs/images/a.sif', settings('apptainer'))).toEqual({
      kind: 'remote',
      path: '/cvmfs/images/a.sif',
      within: ['/cvmfs/images'],
    });
    expect(['/cvmfs/images/a.sif', '/cvmfs/images/../a.sif', '/etc/a.sif'].map((image) => refusals('apptainer', image))).toEqual([0, 1, 1]);
    expect(refusals('podman', '/cvmfs/images/a.sif')).toBe(1);
    expect(refusals('bubblewrap', '/anything')).toBe(0);
  });

  it('looks at the real path on the worker: a link leads out of no directory', () => {
    const place = directory();
    for (const name of ['allowed', 'other']) mkdirSync(join(place, name));
    for (const name of ['allowed/a.sif', 'other/b.sif']) writeFileSync(join(place, name), '');
    symlinkSync(join(place, 'other', 'b.sif'), join(place, 'allowed', 'link.sif'));
    symlinkSync(join(place, 'allowed'), join(place, 'alias'));
    const part = join(__dirname, '../../../../src/backends/shared/runtimes/apptainer.sh');
    const use = (image: string, directory: string): string =>
      spawnSync(
        'sh',
        [
          '-uf',
          '-c',
          `. "$1"; note() { echo "$1 $2"; }; use_image_within 0 "$2" "$3" && echo "$image"`,
          'sh',
          part,
          join(place, image),
          join(place, directory),
        ],
        {
          encoding: 'utf8',
        },
      ).stdout.trim();
    expect(use('allowed/a.sif', 'allowed')).toBe(join(place, 'allowed', 'a.sif'));
    expect(use('alias/a.sif', 'alias')).toBe(join(place, 'allowed', 'a.sif'));
    expect([use('allowed/link.sif', 'allowed'), use('allowed/none.sif', 'allowed'), use('other/b.sif', 'allowed')]).toEqual(
      Array(3).fill('noimage 0'),
    );
  });
});
