import type { EngineLog } from '../engine/engine-log';
import type { TaskChanges } from '../engine/task-changes';

const SETTINGS = { everyMs: 500, slowMs: 1000 };
/** Of the tasks that changed around a standstill. */
const MOST_NAMED = 8;

/**
 * Notices when the one thread of the gateway was busy for so long that nothing was answered, and says with which tasks: those that changed
 * just before, or as soon as it went on (a new one is stored right after the work on it).
 */
export class EventLoopWatch {
  private timer: NodeJS.Timeout | undefined;
  private stopListening: () => void = () => undefined;
  private tickedAt = 0;
  private stall: { readonly ms: number; readonly since: number } | undefined;
  /** By the time of their last change, the latest last. */
  private readonly changed = new Map<string, number>();

  constructor(
    private readonly changes: TaskChanges,
    private readonly log: Pick<EngineLog, 'warn'>,
    private readonly observe: (seconds: number) => void,
    private readonly settings = SETTINGS,
    private readonly now = () => performance.now(),
  ) {}

  start(): void {
    this.tickedAt = this.now();
    this.stopListening = this.changes.listen(({ after }) => this.note(after.id));
    this.timer = setInterval(() => this.tick(), this.settings.everyMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.stopListening();
  }

  private note(task: string): void {
    this.changed.delete(task);
    this.changed.set(task, this.now());
    for (const oldest of this.changed.keys()) {
      if (this.changed.size <= MOST_NAMED) return;
      this.changed.delete(oldest);
    }
  }

  private tick(): void {
    const { everyMs, slowMs } = this.settings;
    const now = this.now();
    const late = Math.max(0, now - this.tickedAt - everyMs);
    const before = this.tickedAt - everyMs;
    this.tickedAt = now;
    this.observe(late / 1000);
    this.report();
    if (late >= slowMs) this.stall = { ms: late, since: before };
  }

  /** One tick later, when what was worked on has been stored. */
  private report(): void {
    if (!this.stall) return;
    const { ms, since } = this.stall;
    this.stall = undefined;
    const tasks = [...this.changed].filter(([, at]) => at >= since).map(([task]) => task);
    this.log.warn(`nothing was answered for ${(ms / 1000).toFixed(1)} s: the event loop was busy`, { ms: Math.round(ms), tasks });
  }
}
