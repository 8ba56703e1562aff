import { RemoteTrees } from '../../../../../src/backends/shared/script/remote-trees';
import { mountPlan } from '../../../../../src/backends/shared/mount-plan';

const plan = mountPlan({ volumes: ['/work', '/a/b'], executors: [{ image: 'x', command: ['true'] }] });
const treeOf = (path: string): string => plan.roots.find((root) => root.path === path)?.tree ?? '';
const work = treeOf('/work');
const deep = treeOf('/a/b');

const listing = (...entries: readonly (readonly [string, string, string, string?])[]): Buffer =>
  Buffer.from(
    `${entries.map(([kind, size, path, target = '']) => `${kind}\0${'644'}\0${size}\0${path}\0${target}\0`).join('')}whole\0`,
    'latin1',
  );
const treesOf = (...entries: readonly (readonly [string, string, string, string?])[]): Promise<RemoteTrees> =>
  RemoteTrees.read(plan, [listing(['d', '9', work], ['d', '9', deep], ...entries)], [Buffer.from('whole\0')]);

describe('the listing of the trees on a worker', () => {
  it('finds files in the words of the container', async () => {
    const trees = await treesOf(['d', '9', `${work}/d`], ['f', '12', `${work}/d/f`], ['f', '1', `${deep}/g`]);
    expect(trees.find('/work/d/f')).toMatchObject({ treePath: `${work}/d/f`, entry: { kind: 'file', sizeBytes: 12, mode: 0o644 } });
    expect(trees.find('/a/b/../b/g')?.treePath).toBe(`${deep}/g`);
    for (const path of ['/work/x', '/etc/passwd', '/a/c', '/work/d/f/x', '/work/../../etc/passwd'])
      expect(trees.find(path)).toBeUndefined();
    expect([...trees.below(work, '/work')].map(({ path }) => path)).toEqual(['/work/d', '/work/d/f']);
  });

  it('has the times of files, which scripts of older gateways did not tell', async () => {
    const trees = await treesOf(['f', '12 1577836800.2500000000', `${work}/timed`], ['f', '12', `${work}/untimed`]);
    expect([...trees.below(work, '/work')]).toEqual([
      { path: '/work/timed', kind: 'file', mode: 0o644, sizeBytes: 12, modifiedMs: Date.UTC(2020, 0, 1) + 250 },
      { path: '/work/untimed', kind: 'file', mode: 0o644, sizeBytes: 12 },
    ]);
  });

  it('follows links only inside the trees, and not for ever', async () => {
    const trees = await treesOf(
      ['d', '9', `${work}/d`],
      ['f', '12', `${work}/d/f`],
      ['l', '1', `${work}/abs`, '/work/d'],
      ['l', '1', `${work}/up`, '../../../a/b'],
      ['l', '1', `${work}/out`, '/etc'],
      ['l', '1', `${work}/loop`, 'loop'],
      ['f', '1', `${deep}/g`],
    );
    expect(trees.find('/work/abs/f')?.treePath).toBe(`${work}/d/f`);
    expect(trees.find('/work/up/g')?.treePath).toBe(`${deep}/g`);
    expect(trees.find('/work/out/passwd')).toBeUndefined();
    expect(trees.find('/work/loop/x')).toBeUndefined();
    expect(trees.find('/work/abs')?.entry).toMatchObject({ kind: 'link', linkTarget: '/work/d' });
  });

  it('reads names of any UTF-8, and shows those that are none as what cannot be named', async () => {
    const name = Buffer.from('\u00fc \n\u{1f600}', 'utf8').toString('latin1');
    expect([...(await treesOf(['f', '1', `${work}/${name}`])).below(work, '/work')].map(({ path }) => path)).toEqual([
      '/work/\u00fc \n\u{1f600}',
    ]);
    expect((await treesOf(['f', '1', `${work}/${name}`])).find('/work/\u00fc \n\u{1f600}')?.entry.kind).toBe('file');
    const trees = await treesOf(
      ['d', '1', `${work}/\xff`],
      ['f', '1', `${work}/\xff/in`],
      ['l', '1', `${work}/l`, '\xff'],
      ['f', '1', `${work}/z`],
    );
    expect([...trees.below(work, '/work')].map(({ path, kind, reason }) => [path, kind, reason])).toEqual([
      ['/work/l', 'other', 'is a link whose target is not valid UTF-8'],
      ['/work/z', 'file', undefined],
      ['/work/\\xff', 'other', 'has a name that is not valid UTF-8'],
    ]);
    expect(() => trees.find('/work/l/x')).toThrow('not valid UTF-8');
  });

  it('knows the sums of outputs', async () => {
    const sum = 'ab'.repeat(32);
    const sums = Buffer.from(`${sum}  trees/${work}/f\0whole\0`);
    const trees = await RemoteTrees.read(plan, [listing(['d', '9', work], ['f', '1', `${work}/f`])], [sums]);
    expect(trees.find('/work/f')?.entry.sha256).toBe(sum);
  });

  it('is the same in whatever pieces it comes, and is refused when its end is missing', async () => {
    const whole = listing(['d', '9', work], ['f', '1', `${work}/f`], ['l', '1', `${work}/l`, 'f']);
    const read = (bytes: Buffer, most?: number): Promise<RemoteTrees> =>
      RemoteTrees.read(
        plan,
        Array.from(bytes, (byte) => Buffer.from([byte])),
        [Buffer.from('whole\0')],
        most,
      );
    expect([...(await read(whole)).below(work, '/work')].map(({ path }) => path)).toEqual(['/work/f', '/work/l']);
    for (let end = 0; end < whole.length; end += 1) await expect(read(whole.subarray(0, end))).rejects.toThrow('came broken');
  });

  it('is refused for good when it is of more than can be held, in words that say so', async () => {
    const bytes = listing(['d', '9', work], ['f', '1', `${work}/a`], ['f', '1', `${work}/b`]);
    const read = (most: number): Promise<RemoteTrees> => RemoteTrees.read(plan, [bytes], [Buffer.from('whole\0')], most);
    await expect(read(2)).rejects.toMatchObject({
      retryable: false,
      publicMessage: expect.stringContaining('more than 2 files and directories') as string,
    });
    await expect(read(3)).resolves.toBeDefined();
  });
});
