import { readTextOrNothing } from '../shared/small-files';

const PARAMETERS = '/sys/module/overlay/parameters';

/**
 * Whether what a layer of root's holds is whole by itself, as apptainer.sh takes it. With `metacopy` a file of the image whose mode was
 * changed is there with its length and zeros, with `redirect_dir` a directory of the image that was renamed is there and empty.
 */
export function layersAreWhole(parameters = PARAMETERS): boolean {
  return ['metacopy', 'redirect_dir'].every((name) => readTextOrNothing(`${parameters}/${name}`)?.startsWith('Y') !== true);
}
