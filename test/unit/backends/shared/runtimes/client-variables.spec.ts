import { variableWay } from '../../../../../src/backends/shared/runtimes/client-variables';

describe('how a variable reaches a container', () => {
  const PEM = '-----BEGIN KEY-----\nabc=\n-----END KEY-----\n';

  it.each(['PATH', 'HOME', 'DOCKER_HOST', 'LD_PRELOAD', 'http_proxy', 'TES_GATEWAY_JOB', 'OPTIND', 'UID'])(
    'never lets %s into the environment of the client',
    (name) => {
      for (const engine of ['docker', 'podman'] as const) {
        expect(variableWay(engine, name, 'a b$c\'"{}')).toBe('file');
        expect(variableWay(engine, name, PEM)).toBeUndefined();
      }
    },
  );

  it.each([' a', 'a ', '#a', 'a#b', '"a"', "'a", '`a`', PEM, 'a\r', 'y'.repeat(65_536)])(
    'takes %j from the environment for podman',
    (value) => {
      expect(variableWay('podman', 'SECRET', value)).toBe('environment');
    },
  );

  it('writes into a file for docker whatever has one line', () => {
    for (const value of ['', ' a ', '#a', '"a" \'b\' $c `d` \\', '{"a": [1]}']) expect(variableWay('docker', 'A-B.c', value)).toBe('file');
    for (const value of [PEM, 'a\r', '\n', 'y'.repeat(65_536)]) expect(variableWay('docker', 'SECRET', value)).toBe('environment');
  });

  it('has no way for names that neither a file nor a shell can hold', () => {
    for (const name of ['', 'A B', '#A', 'A=B', '\ufeffA', 'A\nB']) expect(variableWay('docker', name, 'x')).toBeUndefined();
    for (const name of ['A B', 'A*', 'A%', 'A\u00fc']) expect(variableWay('podman', name, 'x')).toBeUndefined();
  });

  it('hands the keys of other services on, whose names only look alike', () => {
    for (const name of ['SSH_PRIVATE_KEY', 'GOOGLE_CREDENTIALS', 'AWS_SECRET', 'image', 'ENGINE'])
      expect(variableWay('podman', name, PEM)).toBe('environment');
  });
});
