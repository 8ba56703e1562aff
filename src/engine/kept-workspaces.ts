import type { ExecutionBackend } from '../ports/execution-backend';
import type { TaskRecords } from '../ports/store/task-records';
import type { TaskRecord } from '../task/task-record';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { loadJob } from './job';
import type { TaskChange } from './task-changes';
import type { TaskWriter } from './task-writer';

/** Tasks read at once. */
const ASKED_AT_ONCE = 100;
/** What is removed for want of room leaves so much of it free, so that not every workspace that comes next asks for another one. */
const FILLED = 0.9;

interface Kept {
  readonly id: string;
  readonly attempt: number;
  readonly backend: string;
  readonly until: number;
  readonly bytes: number;
}

export interface KeptSum {
  readonly workspaces: number;
  readonly bytes: number;
}

/**
 * The workspaces of tasks whose outputs could not be stored, as far as this process knows: those that it kept, and those that it has
 * looked at since its start. Sums go with each change; nothing is walked to count. Beyond the limit of a backend the oldest ones go,
 * never the latest, and never one that is being stored again: that is another step (`kept-workspace.ts`).
 */
export class KeptWorkspaces {
  private readonly kept = new Map<string, Kept>();
  private readonly sums = new Map<string, KeptSum>();
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: TaskRecords,
    private readonly writer: Pick<TaskWriter, 'apply'>,
    private readonly settings: Pick<EngineSettings, 'keepOutputsBytes' | 'tailBytes'>,
    private readonly log: EngineLog,
  ) {}

  /** By backend. */
  used(): ReadonlyMap<string, KeptSum> {
    return this.sums;
  }

  /** A reader of committed changes. */
  heard({ after }: TaskChange): void {
    this.note(after);
  }

  private note({ id, attempt, backend = '', step, keptUntil: until = 0, keptBytes: bytes = 0 }: TaskRecord): void {
    this.forget(id);
    if (step !== 'kept') return;
    this.kept.set(id, { id, attempt, backend, until, bytes });
    this.count(backend, 1, bytes);
  }

  /** What the workspace takes on its disk; `undefined` where nobody can say. Throws what the backend does. */
  async measure(task: TaskRecord, backend: ExecutionBackend, signal: AbortSignal): Promise<number | undefined> {
    if (!task.handle) return undefined;
    const job = await loadJob(this.store, task, this.settings.tailBytes);
    return backend.workspace(job, task.handle).sizeBytes?.(signal);
  }

  /** Removes the oldest ones of a backend where they take more than the settings allow. One at a time in this process. */
  enforce(backend: string): Promise<void> {
    this.last = this.last.catch(() => undefined).then(() => this.makeRoom(backend));
    return this.last;
  }

  private async makeRoom(backend: string): Promise<void> {
    const { keepOutputsBytes: most = Infinity } = this.settings;
    if (this.bytesOf(backend) <= most) return;
    await this.verify(backend);
    if (this.bytesOf(backend) <= most) return;
    for (const { id, attempt, bytes } of this.oldest(backend).slice(0, -1)) {
      if (this.bytesOf(backend) <= most * FILLED) return;
      const reason = `the workspace is removed before its time: those kept on ${backend} take more than retention.unstored_outputs_gb`;
      const applied = await this.writer.apply(id, { type: 'expired', attempt, reason });
      if (applied.kind === 'changed') this.log.warn('removing a kept workspace before its time', { task: id, backend, bytes, most });
      else this.forget(id);
    }
  }

  /** What other gateways did is not told. */
  private async verify(backend: string): Promise<void> {
    const ids = this.oldest(backend).map(({ id }) => id);
    for (let at = 0; at < ids.length; at += ASKED_AT_ONCE) {
      const some = ids.slice(at, at + ASKED_AT_ONCE);
      const found = new Map((await this.store.getTasks(some)).map((task) => [task.id, task]));
      for (const id of some) {
        const task = found.get(id);
        if (task) this.note(task);
        else this.forget(id);
      }
    }
  }

  private oldest(backend: string): readonly Kept[] {
    return [...this.kept.values()].filter((kept) => kept.backend === backend).sort((one, other) => one.until - other.until);
  }

  private forget(id: string): void {
    const kept = this.kept.get(id);
    if (!kept) return;
    this.kept.delete(id);
    this.count(kept.backend, -1, -kept.bytes);
  }

  private bytesOf(backend: string): number {
    return this.sums.get(backend)?.bytes ?? 0;
  }

  private count(backend: string, workspaces: number, bytes: number): void {
    const sum = this.sums.get(backend) ?? { workspaces: 0, bytes: 0 };
    this.sums.set(backend, { workspaces: sum.workspaces + workspaces, bytes: sum.bytes + bytes });
  }
}
