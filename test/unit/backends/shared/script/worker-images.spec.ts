import { imageRefusals, imageSource } from '../../../../../src/backends/shared/script/worker-images';
import type { WorkerImageSettings } from '../../../../../src/backends/shared/script/worker-images';

const settings = (runtime: WorkerImageSettings['runtime']): WorkerImageSettings => ({
  runtime,
  imageDirectories: ['/cvmfs/images'],
  pull: 'missing',
});
const refusals = (runtime: WorkerImageSettings['runtime'], image: string): number =>
  imageRefusals({ executors: [{ image, command: ['true'] }] }, settings(runtime)).length;

describe('images on a worker', () => {
  it('takes a name from a registry, with or without docker://', () => {
    const source = { kind: 'registry', reference: 'alpine:3', pull: 'missing' };
    expect(imageSource('alpine:3', settings('podman'))).toEqual(source);
    expect(imageSource('docker://alpine:3', settings('apptainer'))).toEqual(source);
    expect(refusals('apptainer', 'docker://alpine:3')).toBe(0);
  });

  it('takes image files with apptainer alone, and only below the directories of the settings', () => {
    expect(imageSource('file:///cvmfs/images/a.sif', settings('apptainer'))).toEqual({
      kind: 'file',
      path: '/cvmfs/images/a.sif',
      within: ['/cvmfs/images'],
    });
    expect(['/cvmfs/images/a.sif', '/cvmfs/images/../a.sif', '/etc/a.sif'].map((image) => refusals('apptainer', image))).toEqual([0, 1, 1]);
    expect(refusals('podman', '/cvmfs/images/a.sif')).toBe(1);
    expect(refusals('bubblewrap', '/anything')).toBe(0);
  });
});
