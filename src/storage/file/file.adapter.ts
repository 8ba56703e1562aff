import type { StorageAdapter, ValuesOf } from '../../ports/adapter';
import type { FileStorageSettings } from './file.storage';

const settings = {
  allowed: {
    doc: 'Directories that `file:` URLs and bare paths may read and write',
    format: 'list of paths',
    default: ['<data_dir>/files'],
  },
};

export const fileStorage: StorageAdapter<ValuesOf<typeof settings>, FileStorageSettings> = {
  type: 'file',
  doc: 'files of this machine, and what is mounted on it',
  schemes: ['file'],
  settings,
  here: ({ allowed }, { instance }) => ({ allowed, instance }),
  elsewhere: (_values, { directories }) => ({ allowed: directories }),
  async create(slice) {
    const { FileStorage } = await import('./file.storage.js');
    return new FileStorage(slice);
  },
};
