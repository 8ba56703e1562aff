import { AllowedMethods } from '../../../../src/api/http/allowed-methods';

describe('AllowedMethods', () => {
  const allowed = new AllowedMethods();
  allowed.add('/v1/tasks', ['GET']);
  allowed.add('/v1/tasks', ['POST']);
  allowed.add('/v1/tasks/:id', ['GET', 'HEAD']);
  allowed.add('/v1/tasks/:idAction', ['POST']);
  allowed.add('/docs/*', ['GET']);

  it.each([
    ['/v1/tasks', ['GET', 'POST']],
    ['/v1/tasks/', ['GET', 'POST']],
    ['/v1/tasks/abc', ['GET', 'HEAD']],
    ['/v1/tasks/abc:cancel', ['POST']],
    ['/v1/tasks/abc%3Acancel', ['POST']],
    ['/v1/tasks/abc%3acancel', ['POST']],
    ['/docs/x/y.css', ['GET']],
    ['/v1/taskss', []],
    ['/v1/tasks/a/b', []],
    ['/v1xtasks', []],
  ])('knows what is served at %s', (path, methods) => {
    expect(allowed.at(path)).toEqual(methods);
  });
});
