import type { MemoryStorage } from './memory-storage';
import { Mortal } from './mortal';
import { type Script, ScriptedBackend, ScriptedWorld } from './scripted-backend';
import { ADMISSION, ENGINE, SERVICE, SILENT } from './settings';
import { createCore } from '../../src/engine/core';
import type { Engine } from '../../src/engine/engine';
import type { EngineSettings } from '../../src/engine/engine-settings';
import type { TaskService } from '../../src/engine/task.service';
import { BackendRegistry, StorageRegistry } from '../../src/ports/registries';
import type { TaskStore } from '../../src/ports/store/task-store';

/** What all gateways of a life have in common. */
export interface GatewayParts {
  readonly storage: MemoryStorage;
  readonly script: Script;
  readonly newId: () => string;
  readonly settings: Partial<EngineSettings>;
}

/** One gateway, with a backend of its own, that dies and is started again as often as one likes; the jobs on its backend outlive it. */
export class ScriptedGateway {
  readonly world = new ScriptedWorld();
  mortal = new Mortal();
  isCutOff = false;
  engine: Engine | undefined;
  service: TaskService | undefined;
  backend: ScriptedBackend | undefined;

  constructor(
    readonly instance: string,
    readonly backendName: string,
    private readonly parts: GatewayParts,
  ) {}

  /** A new process, whatever became of the one before. */
  start(shared: TaskStore): void {
    this.mortal.dead = true;
    const mortal = new Mortal();
    this.mortal = mortal;
    const { script, newId } = this.parts;
    const backend = new ScriptedBackend(this.world, script, this.backendName);
    this.backend = backend;
    const store = mortal.guard(shared);
    const backends = new BackendRegistry([mortal.guard(backend)]);
    const storage = new StorageRegistry([mortal.guard(this.parts.storage)]);
    const engine = { ...ENGINE, ...this.parts.settings, instance: this.instance };
    const core = createCore({
      store,
      backends,
      storage,
      settings: { engine, admission: ADMISSION, service: SERVICE, logs: { pollMs: 500, mostFollowers: 1 } },
      log: SILENT,
      now: () => Date.now(),
      random: () => 0.5,
      newId,
    });
    this.engine = core.engine;
    this.service = core.tasks;
    void core.engine.start();
  }
}
