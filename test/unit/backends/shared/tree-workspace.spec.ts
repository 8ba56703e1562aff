import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { layoutOf } from '../../../../src/backends/shared/layout';
import { mountPlan } from '../../../../src/backends/shared/mount-plan';
import { TreeWorkspace } from '../../../../src/backends/shared/tree-workspace';
import type { TargetFile } from '../../../../src/ports/local-file';
import { temporaryDirectory } from '../temporary-directory';

const signal = new AbortController().signal;
const PLAN = mountPlan({ volumes: ['/work', '/deep/er/vol'], executors: [{ image: 'i', command: ['c'] }] });

describe('a workspace on this machine', () => {
  const directory = temporaryDirectory('workspace');
  const make = (): TreeWorkspace => new TreeWorkspace(layoutOf(directory()), PLAN);
  const content = (text: string): Readable => Readable.from([Buffer.from(text)]);
  const names = async (workspace: TreeWorkspace, path: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const entry of workspace.list(path, signal)) found.push(entry.path);
    return found;
  };
  const tree = (path: string): string => join(directory(), 'trees', PLAN.roots.find((root) => root.path === path)?.tree ?? 'none');

  it('shows inputs only after they were committed, open to whoever the image runs as', async () => {
    const workspace = make();
    await workspace.beginInputs(signal);
    expect(await workspace.write('/work/a/b', { mode: 0o640 }, content('hello'), signal)).toEqual({ sizeBytes: 5 });
    await workspace.write('/work/a/run', { mode: 0o700 }, content('#!'), signal);
    await workspace.mkdir('/work/empty', signal);
    await workspace.symlink('/work/link', 'a/b', signal);
    expect(await workspace.stat('/work/a/b', signal)).toBeUndefined();
    await workspace.commitInputs(signal);
    expect(await workspace.stat('/work/a/b', signal)).toMatchObject({ path: '/work/a/b', kind: 'file', sizeBytes: 5, mode: 0o666 });
    expect(await workspace.stat('/work/a/run', signal)).toMatchObject({ mode: 0o777 });
    expect(await workspace.stat('/work/empty', signal)).toMatchObject({ kind: 'directory', mode: 0o777 });
    expect(await workspace.stat('/work/link', signal)).toMatchObject({ kind: 'link', linkTarget: 'a/b' });
    expect(await names(workspace, '/work')).toEqual(['/work/a', '/work/a/b', '/work/a/run', '/work/empty', '/work/link']);
  });

  it('is there from its start until its directory, its trees or the mark of its start are gone', async () => {
    const workspace = make();
    workspace.ensureTrees();
    expect(await workspace.isThere(signal)).toBe(false);
    const { started, trees } = layoutOf(directory());
    await fs.writeFile(started, '1 2 3');
    expect(await workspace.isThere(signal)).toBe(true);
    await fs.rm(trees, { recursive: true });
    expect(await workspace.isThere(signal)).toBe(false);
    await fs.rm(directory(), { recursive: true });
    expect(await workspace.isThere(signal)).toBe(false);
  });

  it('is lost to whoever writes into it after it has gone', async () => {
    const workspace = make();
    await workspace.beginInputs(signal);
    await fs.rm(directory(), { recursive: true });
    await expect(workspace.write('/work/a', { mode: 0o644 }, content('1'), signal)).rejects.toMatchObject({ lost: true, retryable: true });
    await expect(make().beginInputs(signal)).rejects.toMatchObject({ lost: true, retryable: true });
  });

  it('refuses to write one path twice, through a file, or after the job was handed over', async () => {
    const workspace = make();
    await workspace.beginInputs(signal);
    await workspace.write('/work/a', { mode: 0o644 }, content('1'), signal);
    await expect(workspace.write('/work/a', { mode: 0o644 }, content('2'), signal)).rejects.toMatchObject({ retryable: false });
    await expect(workspace.write('/work/a/b', { mode: 0o644 }, content('2'), signal)).rejects.toMatchObject({ retryable: false });
    await fs.mkdir(join(directory(), 'plan'));
    await expect(workspace.beginInputs(signal)).rejects.toMatchObject({ retryable: false });
  });

  it('does not write through a link of an input', async () => {
    const workspace = make();
    await workspace.beginInputs(signal);
    await workspace.symlink('/work/out', directory(), signal);
    await expect(workspace.write('/work/out/evil', { mode: 0o644 }, content('x'), signal)).rejects.toMatchObject({ retryable: false });
    await expect(fs.lstat(join(directory(), 'evil'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('follows links on the way in the words of the container, never of this machine', async () => {
    const workspace = make();
    workspace.ensureTrees();
    await fs.mkdir(join(tree('/work'), 'real'));
    await fs.writeFile(join(tree('/work'), 'real', 'f'), 'ok');
    await fs.writeFile(join(tree('/deep/er/vol'), 'g'), 'other tree');
    await fs.symlink('/work/real', join(tree('/work'), 'absolute'));
    await fs.symlink('../deep/er/vol', join(tree('/work'), 'across'));
    await fs.symlink('../../../../../../../../etc', join(tree('/work'), 'up'));
    await fs.symlink('/etc', join(tree('/work'), 'etc'));
    await fs.symlink('self', join(tree('/work'), 'self'));
    expect(await workspace.stat('/work/absolute/f', signal)).toMatchObject({ kind: 'file', sizeBytes: 2 });
    expect(await workspace.stat('/work/across/g', signal)).toMatchObject({ kind: 'file', sizeBytes: 10 });
    for (const path of ['/work/up/passwd', '/work/etc/passwd', '/work/self/x', '/etc/passwd']) {
      expect(await workspace.stat(path, signal)).toBeUndefined();
    }
  });

  it('reads only regular files', async () => {
    const workspace = make();
    workspace.ensureTrees();
    await fs.symlink('/etc/passwd', join(tree('/work'), 'link'));
    for (const path of ['/work/link', '/work', '/work/none'])
      await expect(workspace.read(path, signal)).rejects.toMatchObject({ retryable: false });
    await expect(workspace.read('/work/none', signal)).rejects.toMatchObject({ notFound: true });
    await expect(names(workspace, '/work/link')).rejects.toMatchObject({ retryable: false });
  });

  it('lends only regular files, also those that the job has closed to itself', async () => {
    const workspace = make();
    workspace.ensureTrees();
    await fs.symlink('/etc/passwd', join(tree('/work'), 'link'));
    for (const path of ['/work/link', '/work', '/work/none'])
      await expect(workspace.openFile(path, signal)).rejects.toMatchObject({ retryable: false });
    await fs.writeFile(join(tree('/work'), 'closed'), 'text', { mode: 0 });
    await fs.symlink('closed', join(tree('/work'), 'inner'));
    await expect(workspace.openFile('/work/inner', signal)).rejects.toMatchObject({ retryable: false });
    const file = await workspace.openFile('/work/closed', signal);
    const bytes = new Uint8Array(10);
    expect(Buffer.from(bytes.subarray(0, await file.read(bytes, 1))).toString()).toBe('ext');
    await file.close();
    await expect(file.read(bytes, 0)).rejects.toMatchObject({ code: 'TRANSFER_ERROR' });
  });

  it('has a file filled, and leaves nothing of one that could not be', async () => {
    const workspace = make();
    await workspace.beginInputs(signal);
    const write = async (target: TargetFile): Promise<number> => {
      await target.write(Buffer.from('some'), 0);
      return 4;
    };
    expect(await workspace.writeFile('/work/a/b', { mode: 0o6751 }, write, signal)).toEqual({ sizeBytes: 4 });
    const full = Object.assign(new Error('write'), { code: 'ENOSPC' });
    const fail = async (target: TargetFile): Promise<number> => {
      await write(target);
      throw full;
    };
    await expect(workspace.writeFile('/work/c', { mode: 0o644 }, fail, signal)).rejects.toMatchObject({
      retryable: true,
      publicMessage:
        'cannot write /work/c in the workspace: the disk of the work directory (work_dir of the gateway, on a worker its staging directory) is full',
    });
    await workspace.symlink('/work/out', directory(), signal);
    await expect(workspace.writeFile('/work/out/evil', { mode: 0o644 }, write, signal)).rejects.toMatchObject({ retryable: false });
    await expect(workspace.writeFile('/work/a/b', { mode: 0o644 }, write, signal)).rejects.toMatchObject({ retryable: false });
    await workspace.commitInputs(signal);
    expect(await workspace.stat('/work/a/b', signal)).toMatchObject({ sizeBytes: 4, mode: 0o777 });
    expect(await names(workspace, '/work')).toEqual(['/work/a', '/work/a/b', '/work/out']);
  });

  it('names a file whose name is not UTF-8, instead of losing it or all the others', async () => {
    const workspace = make();
    workspace.ensureTrees();
    await fs.writeFile(Buffer.concat([Buffer.from(join(tree('/work'), 'caf')), Buffer.from([0xe9])]), 'x');
    await fs.writeFile(join(tree('/work'), 'café'), 'x');
    await fs.symlink(Buffer.from([0x64, 0xe9]), join(tree('/work'), 'link'));
    const found = [];
    for await (const { path, kind, reason } of workspace.list('/work', signal)) found.push([path, kind, reason]);
    expect(found).toEqual([
      ['/work/café', 'file', undefined],
      ['/work/caf\\xe9', 'other', 'has a name that is not valid UTF-8'],
      ['/work/link', 'other', 'is a link whose target is not valid UTF-8'],
    ]);
    await expect(workspace.stat('/work/link/x', signal)).rejects.toMatchObject({ retryable: false });
    expect(await workspace.stat('/work/café', signal)).toMatchObject({ kind: 'file' });
  });

  it('says nothing of this machine when it fails', async () => {
    const workspace = make();
    workspace.ensureTrees();
    const failure = await workspace.read('/work/none', signal).catch((error: unknown) => error);
    expect((failure as { publicMessage: string }).publicMessage).not.toContain(directory());
  });

  it('stops when the signal is aborted', async () => {
    const workspace = make();
    await workspace.beginInputs(signal);
    const stop = new AbortController();
    const endless = new Readable({ read: () => undefined });
    const writing = workspace.write('/work/a', { mode: 0o644 }, endless, stop.signal);
    stop.abort();
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
  });
});
