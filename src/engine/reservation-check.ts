import type { BackendRegistry } from '../ports/registries';
import type { Reservation, TaskStore } from '../ports/task-store';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { capacityKey } from './job';

/**
 * Room is reserved before the task is assigned, so a crash between the two leaves a reservation that no attempt owns. It is given back
 * when it is still without an owner one lease later: by then whoever was about to assign has done so or is dead. Where only this
 * instance reserves, that is known at its start.
 */
export class ReservationCheck {
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<void> | undefined;
  private suspects = new Set<string>();

  constructor(
    private readonly store: TaskStore,
    private readonly backends: BackendRegistry,
    private readonly settings: Pick<EngineSettings, 'leaseMs' | 'instance'>,
    private readonly log: EngineLog,
    /** Called when room was given back. */
    private readonly freed: () => void,
  ) {}

  /** Call it before anything is scheduled. */
  async start(): Promise<void> {
    await this.once(true);
    this.timer = setInterval(() => void this.once(), this.settings.leaseMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.underWay;
  }

  /** One look at every reservation; looks never overlap. */
  once(atStart = false): Promise<void> {
    this.underWay ??= this.look(atStart)
      .catch((error: unknown) => {
        this.log.warn('reservations could not be checked, it is tried again', { err: error });
      })
      .finally(() => {
        this.underWay = undefined;
      });
    return this.underWay;
  }

  private async look(atStart: boolean): Promise<void> {
    const seen = new Set<string>();
    let given = 0;
    for (const backend of this.backends.all) {
      const capabilities = backend.capabilities();
      const key = capacityKey(backend.name, capabilities, this.settings.instance);
      for (const reservation of await this.store.reservations(key)) {
        if (await this.owned(reservation, backend.name)) continue;
        const name = `${key} ${reservation.taskId} ${reservation.attempt}`;
        if (this.suspects.has(name) || (atStart && capabilities.boundToInstance)) {
          await this.store.release(key, reservation.taskId, reservation.attempt);
          given += 1;
        } else seen.add(name);
      }
    }
    this.suspects = seen;
    if (given === 0) return;
    this.log.warn('room reserved for attempts that never began was given back', { reservations: given });
    this.freed();
  }

  /** True while an attempt on this backend uses the room: from its assignment until its clean-up. */
  private async owned({ taskId, attempt }: Reservation, backend: string): Promise<boolean> {
    const task = await this.store.getTask(taskId);
    return task !== undefined && task.attempt === attempt && task.backend === backend && task.step !== 'done' && task.step !== 'queued';
  }
}
