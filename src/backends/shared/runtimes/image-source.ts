import type { ImageSettings } from '../../../ports/adapter';
import type { TesTaskRequest } from '../../../task/tes';
import { isWithin, segmentsOf } from '../../../task/container-path';
import type { ImageSource, RuntimeName } from './runtime';
import { RUNTIMES } from './runtimes';

/** From an image's name to where its bytes are: the settings' map, a file that the task names, or a registry. What no setting allows is refused before. */
export function imageSource(runtime: RuntimeName, image: string, settings: ImageSettings): ImageSource {
  if (!RUNTIMES[runtime].usesImages) return { kind: 'none' };
  const mapped = mappedFile(image, settings);
  if (mapped !== undefined) return { kind: 'file', path: mapped, within: ['/'] };
  const path = filePath(image);
  if (path !== undefined) return { kind: 'file', path, within: settings.allowed };
  return { kind: 'registry', reference: image.replace(/^docker:\/\//, ''), pull: settings.pull };
}

/** Public sentences for image files that no setting allows. Whether a file is there is found out later. */
export function imageRefusals(
  runtime: RuntimeName,
  request: TesTaskRequest,
  settings: ImageSettings,
  where: 'here' | 'worker',
): readonly string[] {
  const { usesImages, takesFilesOfWorkers } = RUNTIMES[runtime];
  if (!usesImages) return [];
  return request.executors.flatMap(({ image }, index) => {
    const path = mappedFile(image, settings) === undefined ? filePath(image) : undefined;
    if (path === undefined) return [];
    const place = `$.executors[${index}].image`;
    if (where === 'worker' && !takesFilesOfWorkers) return [`${place}: ${runtime} on a worker takes no image files`];
    if (settings.allowed.some((directory) => isWithin(segmentsOf(path), segmentsOf(directory)))) return [];
    return [`${place}: the image file lies in no directory of the setting images.allowed`];
  });
}

export function mappedFile(image: string, { map }: ImageSettings): string | undefined {
  return Object.hasOwn(map, image) ? map[image] : undefined;
}

/** If the image is named by a path. */
function filePath(image: string): string | undefined {
  const path = image.replace(/^(file:\/\/|docker-archive:|oci-archive:|oci:)/, '');
  return path.startsWith('/') ? path : undefined;
}
