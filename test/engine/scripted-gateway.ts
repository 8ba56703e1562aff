import type { MemoryStorage } from './memory-storage';
import { Mortal } from './mortal';
import { type Script, ScriptedBackend, ScriptedWorld } from './scripted-backend';
import { ADMISSION, ENGINE, SERVICE, SILENT } from './settings';
import { Engine } from '../../src/engine/engine';
import type { EngineSettings } from '../../src/engine/engine-settings';
import { TaskAdmission } from '../../src/engine/task-admission';
import { TaskService } from '../../src/engine/task.service';
import { BackendRegistry, StorageRegistry } from '../../src/ports/registries';
import type { TaskStore } from '../../src/ports/task-store';

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
    const settings = { ...ENGINE, ...this.parts.settings, instance: this.instance };
    const now = (): number => Date.now();
    const engine = new Engine({ store, backends, storage, settings, log: SILENT, now, random: () => 0.5 });
    this.engine = engine;
    this.service = new TaskService(store, engine.writer, new TaskAdmission(backends, storage, ADMISSION, engine.known), engine.scheduler, {
      settings: SERVICE,
      now,
      newId,
      diskGuard: () => undefined,
    });
    void engine.start();
  }
}
