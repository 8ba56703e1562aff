import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/store/task-store';
import { EndWaits, type EndWaitSettings } from './end-waits';
import { Engine } from './engine';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { LogReader, type LogReaderSettings } from './log-reader';
import { type AdmissionSettings, TaskAdmission } from './task-admission';
import { UserList } from './user-list';
import { TaskService, type TaskServiceSettings } from './task.service';

export interface CoreSettings {
  readonly engine: EngineSettings;
  readonly admission: AdmissionSettings;
  readonly service: TaskServiceSettings;
  readonly logs: LogReaderSettings;
  /** Absent = a cancel is answered at once. */
  readonly endWaits?: EndWaitSettings;
}

export interface CoreParts {
  readonly store: TaskStore;
  readonly backends: BackendRegistry;
  readonly storage: StorageRegistry;
  readonly settings: CoreSettings;
  readonly log: EngineLog;
  /** Wall time, ms since the epoch. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly newId: (nowMs: number) => string;
  /** Why no task is taken for lack of disk space; absent = there is enough. */
  readonly shortage?: () => string | undefined;
}

/** The engine and what the API asks of it: everything between the ports. */
export interface Core {
  readonly engine: Engine;
  readonly tasks: TaskService;
  readonly logs: LogReader;
  readonly users: UserList;
}

/** Puts the core together; nothing runs until `engine.start`. */
export function createCore({ settings, newId, shortage, ...parts }: CoreParts): Core {
  const { store, backends, storage, now } = parts;
  const engine = new Engine({ ...parts, settings: settings.engine });
  const tasks = new TaskService(
    store,
    engine.writer,
    new TaskAdmission(backends, storage, settings.admission, engine.known),
    engine.scheduler,
    {
      settings: settings.service,
      now,
      newId,
      diskGuard: shortage ?? (() => undefined),
      ...(settings.endWaits && { ends: new EndWaits(engine.changes, store, settings.endWaits) }),
    },
  );
  const logs = new LogReader(tasks, store, backends, engine.changes, settings.logs);
  return { engine, tasks, logs, users: new UserList(store) };
}
