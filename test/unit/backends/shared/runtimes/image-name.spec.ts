import { wholeImageName } from '../../../../../src/backends/shared/runtimes/image-name';

describe('the whole name of an image', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox'],
    ['busybox:1', 'docker.io/library/busybox:1'],
    ['biocontainers/foo:1', 'docker.io/biocontainers/foo:1'],
    ['a/b/c@sha256:00', 'docker.io/a/b/c@sha256:00'],
    ['quay.io/a/b:1', 'quay.io/a/b:1'],
    ['host:5000/a', 'host:5000/a'],
    ['[::1]:5000/a', '[::1]:5000/a'],
    ['localhost/a:1', 'localhost/a:1'],
  ])('of %s is %s', (written, whole) => {
    expect(wholeImageName(written)).toBe(whole);
  });
});
