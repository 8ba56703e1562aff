import { createCore } from '../../src/engine/core';
import type { Engine } from '../../src/engine/engine';
import type { EngineSettings } from '../../src/engine/engine-settings';
import type { LogReader } from '../../src/engine/log-reader';
import { taskId } from '../../src/engine/task-id';
import type { TaskService, TaskServiceSettings } from '../../src/engine/task.service';
import { BackendRegistry, StorageRegistry } from '../../src/ports/registries';
import type { TaskStore } from '../../src/ports/store/task-store';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import type { Placement } from '../../src/task/placement';
import type { TaskRecord } from '../../src/task/task-record';
import type { TesState, TesTask, TesTaskRequest } from '../../src/task/tes';
import { MemoryStorage } from './memory-storage';
import { AnonymousPrincipal } from './principals';
import { queuedTask } from './records';
import { type Script, ScriptedBackend, ScriptedWorld } from './scripted-backend';
import { ADMISSION, ENGINE, SERVICE, SILENT } from './settings';

export const REQUEST: TesTaskRequest = { executors: [{ image: 'i', command: ['c'] }] };

/** The whole engine with a scripted backend, memory storage and a real store, and ways to wait for what it does. */
export class EngineBench {
  readonly storage = new MemoryStorage();
  readonly backends: readonly ScriptedBackend[];
  readonly backend: ScriptedBackend;
  readonly engine: Engine;
  readonly service: TaskService;
  readonly logs: LogReader;
  /** Of the machine's clock, which somebody has set; the store's goes on as before. */
  aheadMs = 0;
  private serial = 0;

  private constructor(
    readonly store: TaskStore,
    scripts: readonly Script[],
    settings: Partial<EngineSettings>,
    serviceSettings: Partial<TaskServiceSettings>,
    readonly world: ScriptedWorld,
    placements: Readonly<Record<string, Placement>>,
  ) {
    this.storage.objects.set('mem://in', 'input');
    this.backends = scripts.map((script, index) => new ScriptedBackend(script.world ?? this.world, script, `scripted${index || ''}`));
    this.backend = this.backends[0] as ScriptedBackend;
    const backends = new BackendRegistry(this.backends, new Map(Object.entries(placements)));
    const storage = new StorageRegistry([this.storage]);
    const core = createCore({
      store,
      backends,
      storage,
      settings: {
        engine: { ...ENGINE, ...settings },
        admission: ADMISSION,
        service: { ...SERVICE, ...serviceSettings },
        logs: { pollMs: 20, mostFollowers: 2 },
      },
      log: SILENT,
      now: () => Date.now() + this.aheadMs,
      random: () => 0.01,
      newId: () => taskId(++this.serial, new Uint8Array(10)),
    });
    ({ engine: this.engine, tasks: this.service, logs: this.logs } = core);
  }

  static async start(
    script: Script | readonly Script[] = {},
    settings: Partial<EngineSettings> = {},
    service: Partial<TaskServiceSettings> = {},
  ): Promise<EngineBench> {
    return EngineBench.on(await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 }), script, settings, service);
  }

  /** On a store that is there, and perhaps on the jobs of a former gateway. */
  static async on(
    store: TaskStore,
    script: Script | readonly Script[] = {},
    settings: Partial<EngineSettings> = {},
    service: Partial<TaskServiceSettings> = {},
    world = new ScriptedWorld(),
    placements: Readonly<Record<string, Placement>> = {},
    prepare: (backends: readonly ScriptedBackend[]) => void = () => undefined,
  ): Promise<EngineBench> {
    const scripts = Array.isArray(script) ? (script as readonly Script[]) : [script as Script];
    const bench = new EngineBench(store, scripts, settings, service, world, placements);
    prepare(bench.backends);
    await bench.engine.start();
    return bench;
  }

  create(request: TesTaskRequest = REQUEST): Promise<string> {
    return this.service.create(AnonymousPrincipal, request, { basePath: '/v1' });
  }

  /** On a store that holds tasks of an earlier bench. */
  skipIds(count: number): void {
    this.serial += count;
  }

  /** A task that the first backend was given before now. */
  async insertAssigned(id: string): Promise<void> {
    const task = queuedTask({ id });
    await this.engine.writer.create(JSON.stringify(REQUEST), task);
    await this.engine.writer.apply(id, { type: 'assigned', backend: this.backend.name, droppedParameters: [], warnings: [] });
  }

  async task(id: string): Promise<TaskRecord> {
    const task = await this.store.getTask(id);
    if (!task) throw new Error(`no task ${id}`);
    return task;
  }

  async full(id: string): Promise<TesTask> {
    return JSON.parse(await this.service.get(AnonymousPrincipal, id, 'FULL')) as TesTask;
  }

  /** Waits until the record satisfies the condition; the test's own time limit ends it otherwise. */
  async until(id: string, condition: (task: TaskRecord) => boolean): Promise<TaskRecord> {
    for (;;) {
      const task = await this.task(id);
      if (condition(task)) return task;
      await new Promise<void>((resolve) => {
        const stop = this.engine.changes.listen(({ after }) => {
          if (after.id !== id) return;
          stop();
          resolve();
        });
        // A change between the read and the listening would be missed.
        setTimeout(() => {
          stop();
          resolve();
        }, 20);
      });
    }
  }
  state(id: string, state: TesState): Promise<TaskRecord> {
    return this.until(id, (task) => task.state === state);
  }
  done(id: string): Promise<TaskRecord> {
    return this.until(id, (task) => task.step === 'done');
  }

  async stop(): Promise<void> {
    await this.engine.stop(0);
    await this.store.close();
  }
}
