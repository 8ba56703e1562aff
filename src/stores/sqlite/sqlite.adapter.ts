import { join } from 'node:path';
import type { StoreAdapter, StoreContext } from '../../ports/adapter';

const pathOf = ({ dataDir }: Pick<StoreContext, 'dataDir'>): string => join(dataDir, 'tasks.sqlite');

/** The embedded store: one file in `data_dir`, of one gateway. */
export const sqliteStore: StoreAdapter = {
  type: 'sqlite',
  doc: 'a file in `data_dir` of this one gateway',
  isShared: false,
  settings: {},
  async create(_values, context) {
    const { SqliteTaskStore } = await import('./sqlite-task-store.js');
    const { maxDueMs, onProgress } = context;
    const store = await SqliteTaskStore.open({ path: pathOf(context), maxDueMs, onProgress });
    return { store, opened: Promise.resolve() };
  },
  file: pathOf,
  async backup(context, target) {
    const { backupStore } = await import('./backup.js');
    return backupStore(pathOf(context), target, context.onProgress);
  },
};
