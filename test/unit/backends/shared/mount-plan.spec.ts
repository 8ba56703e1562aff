import { locate, mountPlan } from '../../../../src/backends/shared/mount-plan';
import type { TesTaskRequest } from '../../../../src/task/tes';

const request = (rest: Partial<TesTaskRequest>): TesTaskRequest => ({ executors: [{ image: 'i', command: ['c'] }], ...rest });
const paths = (rest: Partial<TesTaskRequest>): readonly string[] => mountPlan(request(rest)).roots.map((root) => root.path);

describe('the mount plan', () => {
  it('is the smallest set of directories, and /tmp', () => {
    const inputs = [
      { path: '/work/in/a', type: 'FILE' },
      { path: '/work/b', type: 'FILE' },
      { path: '/work2/tree', type: 'DIRECTORY' },
    ] as const;
    expect(paths({ inputs: [...inputs], volumes: ['/work2/tree/sub', '/vol'] })).toEqual(['/tmp', '/vol', '/work', '/work2/tree']);
  });

  it('counts streams and workdirs, and the directory before a wildcard', () => {
    const executors = [{ image: 'i', command: ['c'], stdout: '/o/1', stderr: '/e/2', workdir: '/w' }];
    const outputs = [{ path: '/out/*/x', path_prefix: '/out', url: 'u', type: 'FILE' }] as const;
    expect(paths({ executors, outputs: [...outputs] })).toEqual(['/e', '/o', '/out', '/tmp', '/w']);
  });

  it('makes an output directory of its own, but leaves one below another directory to the program, which does mkdir', () => {
    const executors = [{ image: 'i', command: ['c'], workdir: '/work' }];
    const outputs = ['/work/glob', '/alone', '/alone/below', '/work'].map((path) => ({ path, url: 'u', type: 'DIRECTORY' }) as const);
    const plan = mountPlan(request({ executors, outputs }));
    expect([...plan.directories].sort()).toEqual(['/alone/', '/work/']);
  });

  it.each([
    ['a FILE', { path: '/work/s1/x', url: 'u', type: 'FILE' }],
    ['a wildcard', { path: '/work/s1/**', path_prefix: '/work', url: 'u', type: 'FILE' }],
    ['a DIRECTORY', { path: '/work/s1', url: 'u', type: 'DIRECTORY' }],
  ] as const)('leaves the directory of %s below a shared one to the program, and makes it where nothing above is shared', (_, output) => {
    const executors = [{ image: 'i', command: ['c'], stdout: '/work/logs/out' }];
    const made = (rest: Partial<TesTaskRequest>): readonly string[] =>
      [...mountPlan(request({ executors, outputs: [output], ...rest })).directories].sort();
    expect(made({ inputs: [{ path: '/work/in', type: 'FILE' }] })).toEqual(['/work/']);
    expect(made({ volumes: ['/work'] })).toEqual(['/work/']);
    expect(made({})).toEqual(['/work/logs/', '/work/s1/']);
    expect(made({ inputs: [{ path: '/work/s1/in', type: 'FILE' }] })).toEqual(['/work/logs/', '/work/s1/']);
  });

  it('makes of several outputs in one another the outermost directory only', () => {
    const outputs = ['/o/a/x', '/o/y', '/o/b/c/z'].map((path) => ({ path, url: 'u', type: 'FILE' }) as const);
    expect(mountPlan(request({ outputs })).directories).toEqual(['/o/']);
  });

  it('leaves what lies directly in / to a tree of its own', () => {
    const plan = mountPlan(request({ outputs: [{ path: '/x.txt', url: 'u', type: 'FILE' }] }));
    expect(plan).toMatchObject({ rootEntries: true, rootNames: ['x.txt'] });
    expect(locate(plan, ['x.txt'])).toEqual({ tree: 'root', segments: ['x.txt'] });
    expect(mountPlan(request({ executors: [{ image: 'i', command: ['c'], workdir: '/' }] })).rootEntries).toBe(false);
  });

  it('puts inputs in /tmp into the fresh /tmp', () => {
    const plan = mountPlan(request({ inputs: [{ path: '/tmp/deep/x', type: 'FILE' }] }));
    expect(plan.roots).toEqual([{ path: '/tmp', segments: ['tmp'], tree: '0', fresh: true }]);
    expect(locate(plan, ['tmp', 'deep', 'x'])).toEqual({ tree: '0', segments: ['deep', 'x'] });
  });
});
