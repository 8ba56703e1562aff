import { promises as fs } from 'node:fs';
import { extname, join } from 'node:path';
import { BackendError } from '../../ports/errors';
import type { TesTaskRequest } from '../../task/tes';
import { isWithin, segmentsOf } from '../shared/container-path';
import type { ImageSource, RuntimeName } from '../shared/runtimes/runtime';
import type { LocalBackendSettings } from './local.settings';
import { RUNTIMES } from '../shared/runtimes/runtimes';

/** Run by the job script; `scripts/build.mjs` leaves it beside this file in `dist`. */
export const UNNAME_IMAGE: readonly string[] = [
  process.execPath,
  '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
  '--disable-warning=ExperimentalWarning',
  join(__dirname, `image-archive.worker${extname(__filename)}`),
];

/** From an image's name to where its bytes are: the settings' map, a file a task may name, or a registry. */
export class ImageFiles {
  constructor(private readonly settings: LocalBackendSettings['images']) {}

  /** Public sentences for image files that no setting allows. */
  refusals(runtime: RuntimeName, request: TesTaskRequest): readonly string[] {
    if (!RUNTIMES[runtime].usesImages) return [];
    return request.executors.flatMap(({ image }, index) => {
      if (this.mapped(image) !== undefined) return [];
      const path = filePath(image);
      if (path === undefined || this.isAllowed(path)) return [];
      return [`$.executors[${index}].image: the image file lies in no directory of the setting images.allowed`];
    });
  }

  async source(runtime: RuntimeName, image: string): Promise<ImageSource> {
    if (!RUNTIMES[runtime].usesImages) return { kind: 'none' };
    const mapped = this.mapped(image);
    const named = filePath(image);
    if (mapped === undefined && named === undefined) {
      return { kind: 'registry', reference: image.replace(/^docker:\/\//, ''), pull: this.settings.pull };
    }
    const file =
      mapped === undefined
        ? { kind: 'file' as const, path: named ?? '', within: this.settings.allowed }
        : { kind: 'file' as const, path: mapped, within: ['/'] };
    // Said early where it is so already. What counts is what the job opens: a link in an allowed directory does not lead out of it.
    const [real, ...within] = await Promise.all([file.path, ...file.within].map((path) => fs.realpath(path).catch(() => undefined)));
    if (real === undefined || !within.some((directory) => directory !== undefined && isWithin(segmentsOf(real), segmentsOf(directory)))) {
      const fault =
        mapped === undefined
          ? `the image file ${image} does not exist, or a link leads out of the directories of the setting images.allowed`
          : `the setting images.map names a file for the image ${image} that does not exist`;
      throw new BackendError(fault, { retryable: false });
    }
    return file;
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
