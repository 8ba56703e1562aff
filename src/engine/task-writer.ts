import { StoreError } from '../ports/errors';
import type { Durability, IdempotencyKey, InsertResult, TaskRecords } from '../ports/store/task-records';
import type { BackendRegistry } from '../ports/registries';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskQueue } from '../ports/store/task-queue';
import { isBinding } from '../task/binding';
import type { TaskEvent } from '../task/task-events';
import type { Capacity } from '../task/amounts';
import type { TaskRecord } from '../task/task-record';
import type { Reduction } from '../task/reduction';
import { reduce } from '../task/task-reducer';
import type { TaskChanges } from './task-changes';

/** Lost races in a row after which something else is wrong; each means that somebody else made progress. */
const MOST_CONFLICTS = 50;

export type Applied =
  | { readonly kind: 'changed'; readonly before: TaskRecord; readonly task: TaskRecord }
  /** `lease`: the claim that it was done under is over · `changed`: the task is not as it was when it was looked at · else the reducer's. */
  | {
      readonly kind: 'ignored';
      readonly why: Extract<Reduction, { kind: 'ignored' }>['why'] | 'lease' | 'changed';
      readonly task: TaskRecord;
    }
  /** No room for it any more (`ApplyOptions.capacity`). */
  | { readonly kind: 'full'; readonly task: TaskRecord }
  | { readonly kind: 'gone' };

export interface ApplyOptions {
  /** The record as the caller last saw it; saves a read. A stale one costs one lost race. */
  readonly known?: TaskRecord;
  /** Work under a claim: it counts only while the claim's token is in the record. `keepMs`: the caller goes on working under the lease. */
  readonly claim?: { readonly holder: string; readonly keepMs?: number };
  /** Only if the task is still as `known` says: what was seen without a claim may be old. */
  readonly exact?: boolean;
  /** The task takes room of its new backend, if there is some: what that has in all. */
  readonly capacity?: Capacity;
}

/** The only writer of tasks: event -> reducer -> compare-and-swap, again after a lost race. Readers are told after the commit. */
export class TaskWriter {
  constructor(
    private readonly store: StoreClock & TaskRecords & TaskQueue,
    private readonly backends: BackendRegistry,
    private readonly changes: TaskChanges,
    private readonly now: () => number,
  ) {}

  async create(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult> {
    const result = await this.store.insert(requestJson, task, key);
    if (result.kind === 'inserted') this.changes.emit({ after: task, event: 'created' });
    return result;
  }

  /** Throws `StoreError` when the store cannot be read or written; then nothing is changed, or the change is found by the next look. */
  async apply(id: string, event: TaskEvent, options: ApplyOptions = {}): Promise<Applied> {
    const { known, claim, exact } = options;
    let task = known;
    for (let conflict = 0; conflict < MOST_CONFLICTS; conflict += 1) {
      task ??= await this.store.getTask(id);
      if (!task) return { kind: 'gone' };
      if (exact === true && task.revision !== known?.revision) return { kind: 'ignored', why: 'changed', task };
      const before = this.underLease(task, claim?.keepMs);
      const isFenced = claim !== undefined && task.lease?.holder !== claim.holder;
      const reduction = isFenced
        ? ({ kind: 'ignored', why: 'lease' } as const)
        : reduce(before, event, this.contextOf(before, event, claim?.keepMs !== undefined));
      if (reduction.kind === 'ignored') {
        if (task !== known || reduction.why === 'news') return { kind: 'ignored', why: reduction.why, task };
        // The caller's copy may be old: what is stored decides whether the event has a meaning.
        const stored = await this.store.getTask(id);
        if (!stored) return { kind: 'gone' };
        if (stored.revision === before.revision) return { kind: 'ignored', why: reduction.why, task: stored };
        task = stored;
        continue;
      }
      const written = await this.write(reduction.task, before, isBinding(event, reduction.task) ? 'durable' : 'relaxed', options);
      if (written === 'full') return { kind: 'full', task };
      if (written === 'won') {
        this.changes.emit({ before: task, after: reduction.task, event: event.type });
        return { kind: 'changed', before: task, task: reduction.task };
      }
      task = undefined;
    }
    throw new StoreError('the task is changed too often at once', {
      retryable: true,
      internal: `no compare-and-swap won on ${id} for ${event.type}`,
    });
  }

  private async write(
    next: TaskRecord,
    { revision, owner }: TaskRecord,
    durability: Durability,
    { capacity }: ApplyOptions,
  ): Promise<'won' | 'lost' | 'full'> {
    if (next.owner !== owner) return (await this.store.give(next, revision)) ? 'won' : 'lost';
    if (capacity === undefined) return (await this.store.update(next, revision, durability)) ? 'won' : 'lost';
    const result = await this.store.assign(next, revision, capacity, durability);
    return result === 'assigned' ? 'won' : result;
  }

  private underLease(task: TaskRecord, keepLeaseMs: number | undefined): TaskRecord {
    if (keepLeaseMs === undefined || !task.lease) return task;
    // The lease was renewed without a new revision: what the record says of its end is old.
    return { ...task, lease: { ...task.lease, until: this.store.now() + keepLeaseMs } };
  }

  private contextOf(task: TaskRecord, event: TaskEvent, keepLease: boolean): Parameters<typeof reduce>[2] {
    const backendName = event.type === 'assigned' ? event.backend : task.backend;
    const capabilities = backendName === undefined ? undefined : this.backends.get(backendName)?.capabilities();
    return {
      now: this.now(),
      storeNow: this.store.now(),
      pollMs: capabilities?.pollMs ?? { first: 1000, longest: 30_000 },
      stagesIn: task.needs.hasInputs && capabilities?.staging !== 'worker',
      stagesOut: task.needs.hasOutputs,
      keepLease,
    };
  }
}
