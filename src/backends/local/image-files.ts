import { promises as fs } from 'node:fs';
import { extname, join } from 'node:path';
import { BackendError } from '../../ports/errors';
import { isWithin, segmentsOf } from '../../task/container-path';
import { imageSource, mappedFile } from '../shared/runtimes/image-source';
import type { ImageSource, RuntimeName } from '../shared/runtimes/runtime';
import type { LocalBackendSettings } from './local.settings';

/** Run by the job script; `scripts/build.mjs` leaves it beside this file in `dist`. */
export const UNNAME_IMAGE: readonly string[] = [
  process.execPath,
  '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
  '--disable-warning=ExperimentalWarning',
  join(__dirname, `image-archive.worker${extname(__filename)}`),
];

/** Where an image of this machine's jobs comes from. */
export async function imageHere(runtime: RuntimeName, image: string, settings: LocalBackendSettings['images']): Promise<ImageSource> {
  const source = imageSource(runtime, image, settings);
  if (source.kind !== 'file') return source;
  // Said early where it is so already. What counts is what the job opens: a link in an allowed directory does not lead out of it.
  const [real, ...within] = await Promise.all([source.path, ...source.within].map((path) => fs.realpath(path).catch(() => undefined)));
  if (real !== undefined && within.some((directory) => directory !== undefined && isWithin(segmentsOf(real), segmentsOf(directory))))
    return source;
  const fault =
    mappedFile(image, settings) === undefined
      ? `the image file ${image} does not exist, or a link leads out of the directories of the setting images.allowed`
      : `the setting images.map names a file for the image ${image} that does not exist`;
  throw new BackendError(fault, { retryable: false });
}
