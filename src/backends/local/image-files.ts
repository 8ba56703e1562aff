import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { BackendError } from '../../ports/errors';
import type { TesTaskRequest } from '../../task/tes';
import { isWithin, segmentsOf } from '../shared/container-path';
import type { ImageSource, RuntimeName } from '../shared/runtimes/runtime';
import type { LocalBackendSettings } from './local.settings';

/** From an image's name to where its bytes are: the settings' map, a file a task may name, or a registry. */
export class ImageFiles {
  constructor(private readonly settings: LocalBackendSettings['images']) {}

  /** Public sentences for image files that no setting allows. */
  refusals(runtime: RuntimeName, request: TesTaskRequest): readonly string[] {
    if (runtime === 'bubblewrap') return [];
    return request.executors.flatMap(({ image }, index) => {
      if (this.mapped(image) !== undefined) return [];
      const path = filePath(image);
      if (path === undefined || this.isAllowed(path)) return [];
      return [`$.executors[${index}].image: the image file lies in no directory of the setting images.allowed`];
    });
  }

  async source(runtime: RuntimeName, image: string): Promise<ImageSource> {
    if (runtime === 'bubblewrap') return { kind: 'none' };
    const mapped = this.mapped(image);
    const named = filePath(image);
    if (mapped !== undefined) return localSource(mapped, image);
    if (named === undefined) return { kind: 'registry', reference: image.replace(/^docker:\/\//, ''), pull: this.settings.pull };
    // The real path counts: a link in an allowed directory does not lead out of it.
    const real = await fs.realpath(named).catch(() => undefined);
    if (real === undefined || !this.isAllowed(real)) {
      throw new BackendError(`the image file ${image} does not exist or is not allowed`, { retryable: false });
    }
    return localSource(real, image);
  }

  private mapped(image: string): string | undefined {
    return Object.hasOwn(this.settings.map, image) ? this.settings.map[image] : undefined;
  }

  private isAllowed(path: string): boolean {
    return this.settings.allowed.some((directory) => isWithin(segmentsOf(path), segmentsOf(directory)));
  }
}

/** A path on this machine, if the image is named by one. */
function filePath(image: string): string | undefined {
  const path = image.replace(/^(file:\/\/|docker-archive:|oci-archive:|oci:)/, '');
  return path.startsWith('/') ? path : undefined;
}

async function localSource(path: string, image: string): Promise<ImageSource> {
  const stats = await fs.stat(path).catch(() => undefined);
  if (!stats) throw new BackendError(`the file of the image ${image} does not exist`, { retryable: false });
  const form = stats.isDirectory()
    ? await directoryForm(path)
    : path.endsWith('.sif')
      ? 'sif'
      : image.startsWith('oci-archive:')
        ? 'oci-archive'
        : 'archive';
  const key = createHash('sha256').update(`${path}\0${stats.size}\0${stats.mtimeMs}`).digest('hex').slice(0, 32);
  return { kind: 'local', path, form, key };
}

async function directoryForm(path: string): Promise<'oci' | 'directory'> {
  return (await fs.stat(join(path, 'oci-layout')).catch(() => undefined)) ? 'oci' : 'directory';
}
