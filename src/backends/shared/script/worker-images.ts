import type { TesTaskRequest } from '../../../task/tes';
import { parseImageReference } from '../../../task/image-reference';
import { isWithin, segmentsOf } from '../container-path';
import type { ImageSource, RuntimeName } from '../runtimes/runtime';
import { RUNTIMES } from '../runtimes/runtimes';

export interface WorkerImageSettings {
  readonly runtime: RuntimeName;
  readonly imageDirectories: readonly string[];
  readonly pull: 'always' | 'missing' | 'never';
}

/** From an image's name to where its bytes are on the worker. What no setting allows is refused before. */
export function imageSource(image: string, settings: WorkerImageSettings): ImageSource {
  if (!RUNTIMES[settings.runtime].usesImages) return { kind: 'none' };
  const parsed = parseImageReference(image);
  switch (parsed?.kind) {
    case undefined:
      return { kind: 'none' };
    case 'file':
      return { kind: 'file', path: parsed.path, within: settings.imageDirectories };
    case 'registry':
      return { kind: 'registry', reference: parsed.reference, pull: settings.pull };
    default: {
      const never: never = parsed;
      return never;
    }
  }
}

/** Public sentences for images that cannot be had there. Whether a file is there is only known on the worker. */
export function imageRefusals(request: TesTaskRequest, settings: WorkerImageSettings): readonly string[] {
  const { runtime, imageDirectories } = settings;
  if (!RUNTIMES[runtime].usesImages) return [];
  return request.executors.flatMap(({ image }, index) => {
    const parsed = parseImageReference(image);
    if (parsed?.kind !== 'file') return [];
    if (!RUNTIMES[runtime].takesFilesOfWorkers) return [`$.executors[${index}].image: ${runtime} on a worker takes no image files`];
    if (imageDirectories.some((directory) => isWithin(segmentsOf(parsed.path), segmentsOf(directory)))) return [];
    return [`$.executors[${index}].image: the image file lies in no directory of the setting images.allowed`];
  });
}
