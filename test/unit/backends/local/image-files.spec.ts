import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { ImageFiles } from '../../../../src/backends/local/image-files';
import { temporaryDirectory } from '../temporary-directory';

describe('image files', () => {
  const directory = temporaryDirectory('images');
  const files = (allowed: readonly string[] = [], map: Record<string, string> = {}): ImageFiles =>
    new ImageFiles({ allowed, map, pull: 'missing' });
  const refused = (images: ImageFiles, image: string): number =>
    images.refusals('docker', { executors: [{ image, command: ['c'] }] }).length;

  it('come from a registry unless they are named by a path or the settings', async () => {
    expect(await files().source('docker', 'docker://alpine:3')).toEqual({ kind: 'registry', reference: 'alpine:3', pull: 'missing' });
    expect(await files().source('bubblewrap', 'alpine:3')).toEqual({ kind: 'none' });
    expect(refused(files(), 'alpine:3')).toBe(0);
  });

  it('may be named by a path only below the directories that the settings allow', () => {
    const images = files(['/srv/images']);
    expect(refused(images, '/srv/images/a.sif')).toBe(0);
    for (const image of ['/srv/images2/a.sif', '/srv/images/../secret', 'file:///etc/passwd', 'docker-archive:/x.tar'])
      expect(refused(images, image)).toBe(1);
  });

  it('count by where a link leads', async () => {
    await fs.writeFile(join(directory(), 'outside.sif'), 'x');
    await fs.mkdir(join(directory(), 'allowed'));
    await fs.symlink('../outside.sif', join(directory(), 'allowed', 'link.sif'));
    const images = files([join(directory(), 'allowed')]);
    await expect(images.source('apptainer', join(directory(), 'allowed', 'link.sif'))).rejects.toMatchObject({ retryable: false });
  });

  it('change their key when the file changes', async () => {
    const path = join(directory(), 'a.tar');
    await fs.writeFile(path, 'one');
    const images = files([], { mine: path });
    const first = await images.source('docker', 'mine');
    expect(first).toMatchObject({ kind: 'local', form: 'archive', path });
    expect(await images.source('docker', 'mine')).toEqual(first);
    await fs.writeFile(path, 'longer');
    expect(await images.source('docker', 'mine')).not.toEqual(first);
    expect(refused(images, 'mine')).toBe(0);
  });

  it('are known by what they are', async () => {
    await fs.mkdir(join(directory(), 'sandbox'));
    await fs.mkdir(join(directory(), 'oci'));
    await fs.writeFile(join(directory(), 'oci', 'oci-layout'), '{}');
    await fs.writeFile(join(directory(), 'x.sif'), '');
    const images = files([directory()]);
    const form = async (name: string) => (await images.source('apptainer', name)) as { form: string };
    expect((await form(join(directory(), 'sandbox'))).form).toBe('directory');
    expect((await form(join(directory(), 'oci'))).form).toBe('oci');
    expect((await form(join(directory(), 'x.sif'))).form).toBe('sif');
    expect((await form(`oci-archive:${join(directory(), 'x.sif')}`)).form).toBe('sif');
  });

  it('that are gone cannot be had, and no other attempt helps', async () => {
    await expect(files([], { mine: join(directory(), 'none') }).source('docker', 'mine')).rejects.toMatchObject({ retryable: false });
    await expect(files([directory()]).source('docker', join(directory(), 'none'))).rejects.toMatchObject({ retryable: false });
  });
});
