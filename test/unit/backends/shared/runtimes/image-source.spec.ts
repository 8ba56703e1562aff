import { imageRefusals, imageSource } from '../../../../../src/backends/shared/runtimes/image-source';
import type { RuntimeName } from '../../../../../src/backends/shared/runtimes/runtime';

const settings = { allowed: ['/cvmfs/images'], map: {}, pull: 'missing' as const };
const refusals = (runtime: RuntimeName, image: string): number =>
  imageRefusals(runtime, { executors: [{ image, command: ['true'] }] }, settings, 'worker').length;

describe('images on a worker', () => {
  it('takes a name from a registry, with or without docker://', () => {
    const source = { kind: 'registry', reference: 'alpine:3', pull: 'missing' };
    expect(imageSource('podman', 'alpine:3', settings)).toEqual(source);
    expect(imageSource('apptainer', 'docker://alpine:3', settings)).toEqual(source);
    expect(refusals('apptainer', 'docker://alpine:3')).toBe(0);
  });

  it('takes image files with apptainer alone, and only below the directories of the settings', () => {
    expect(imageSource('apptainer', 'file:///cvmfs/images/a.sif', settings)).toEqual({
      kind: 'file',
      path: '/cvmfs/images/a.sif',
      within: ['/cvmfs/images'],
    });
    expect(['/cvmfs/images/a.sif', '/cvmfs/images/../a.sif', '/etc/a.sif'].map((image) => refusals('apptainer', image))).toEqual([0, 1, 1]);
    expect(refusals('podman', '/cvmfs/images/a.sif')).toBe(1);
    expect(refusals('bubblewrap', '/anything')).toBe(0);
  });
});
