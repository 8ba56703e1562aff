import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { imageHere } from '../../../../src/backends/local/image-files';
import { imageRefusals } from '../../../../src/backends/shared/runtimes/image-source';
import { temporaryDirectory } from '../temporary-directory';

describe('image files', () => {
  const directory = temporaryDirectory('images');
  type Settings = Parameters<typeof imageHere>[2];
  const settings = (allowed: readonly string[] = [], map: Record<string, string> = {}): Settings => ({ allowed, map, pull: 'missing' });
  const refused = (images: Settings, image: string): number =>
    imageRefusals('docker', { executors: [{ image, command: ['c'] }] }, images, 'here').length;

  it('come from a registry unless they are named by a path or the settings', async () => {
    expect(await imageHere('docker', 'docker://alpine:3', settings())).toEqual({
      kind: 'registry',
      reference: 'alpine:3',
      pull: 'missing',
    });
    expect(await imageHere('bubblewrap', 'alpine:3', settings())).toEqual({ kind: 'none' });
    expect(refused(settings(), 'alpine:3')).toBe(0);
  });

  it('may be named by a path only below the directories that the settings allow', () => {
    const images = settings(['/srv/images']);
    expect(refused(images, '/srv/images/a.sif')).toBe(0);
    for (const image of ['/srv/images2/a.sif', '/srv/images/../secret', 'file:///etc/passwd', 'docker-archive:/x.tar'])
      expect(refused(images, image)).toBe(1);
  });

  it('count by where a link leads', async () => {
    await fs.writeFile(join(directory(), 'outside.sif'), 'x');
    await fs.mkdir(join(directory(), 'allowed'));
    await fs.writeFile(join(directory(), 'allowed', 'inside.sif'), 'x');
    await fs.symlink('../outside.sif', join(directory(), 'allowed', 'link.sif'));
    await fs.symlink('allowed', join(directory(), 'alias'));
    const images = settings([join(directory(), 'alias')]);
    await expect(imageHere('apptainer', join(directory(), 'alias', 'link.sif'), images)).rejects.toMatchObject({ retryable: false });
    expect(await imageHere('apptainer', join(directory(), 'alias', 'inside.sif'), images)).toMatchObject({
      within: [join(directory(), 'alias')],
    });
  });

  it('are left to the job to open, below what is allowed; those of the settings lie where they like', async () => {
    const path = join(directory(), 'a.tar');
    await fs.writeFile(path, 'one');
    const images = settings([directory()], { mine: path });
    expect(await imageHere('docker', `file://${path}`, images)).toEqual({ kind: 'file', path, within: [directory()] });
    expect(await imageHere('docker', 'mine', images)).toEqual({ kind: 'file', path, within: ['/'] });
    expect(refused(images, 'mine')).toBe(0);
  });

  it('that are gone cannot be had, no other attempt helps, and the setting is named', async () => {
    await expect(imageHere('docker', 'mine', settings([], { mine: join(directory(), 'none') }))).rejects.toMatchObject({
      retryable: false,
      publicMessage: 'the setting images.map names a file for the image mine that does not exist',
    });
    await expect(imageHere('docker', join(directory(), 'none'), settings([directory()]))).rejects.toMatchObject({
      retryable: false,
      publicMessage: expect.stringMatching(/none does not exist, or .* images\.allowed$/) as string,
    });
  });
});
