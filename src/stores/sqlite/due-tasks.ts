import type { ClaimQuery, DueQuery, Postponement } from '../../ports/store/due-tasks';
import type { TaskRecord } from '../../task/task-record';
import { stepCode } from './codes';
import { decodeRecord, type RecordRow } from './record-codec';
import { row, rows, type Statements } from './statements';

type DueRow = readonly [seq: number, wakeAt: number, backend: string | null];
type WakeRow = [backend: string | null, step: number, wakeAt: number];

interface Range {
  readonly backend: string | null;
  readonly step: number;
  readonly wakeAt: number;
  /** Only this instance's tasks of it. */
  readonly bound: boolean;
}
type Reach = Omit<DueQuery, 'limit' | 'places'>;

/**
 * What is due is looked up per backend and step, each a short range of one index: tasks of a backend that this process does not
 * serve, or of another loop's step, are never read, however many are overdue. A task that names no backend is anyone's.
 */
export class DueTasks {
  constructor(private readonly statements: Statements) {}

  /** Inside a transaction; of the ranges that `dueRanges` found before it. */
  claim(query: ClaimQuery, ranges: readonly Range[], now: number): TaskRecord[] {
    const until = now + query.leaseMs;
    const claimed: TaskRecord[] = [];
    for (const [seq] of this.due(query, ranges, now)) {
      this.statements.lease.run(query.holder, until, until, seq);
      const record = row<RecordRow>(this.statements.recordAt, seq);
      if (record !== undefined) claimed.push(decodeRecord(record));
    }
    return claimed;
  }

  /** As they are. */
  read(query: DueQuery, now: number): TaskRecord[] {
    return this.due(query, this.dueRanges(query, now), now).flatMap(([seq]) => {
      const record = row<RecordRow>(this.statements.recordAt, seq);
      return record === undefined ? [] : decodeRecord(record);
    });
  }

  /** Inside a transaction. */
  postpone(tasks: readonly Postponement[]): void {
    for (const { id, revision, dueAt, until } of tasks) this.statements.postpone.run(until, id, revision, dueAt);
  }

  /** A read, so that a loop that finds nothing does not write. */
  dueRanges(query: Reach, now: number): readonly Range[] {
    return this.ranges(query).filter(({ wakeAt }) => wakeAt <= now);
  }

  next(query: Reach): number | undefined {
    const ranges = this.ranges(query);
    return ranges.length === 0 ? undefined : Math.min(...ranges.map(({ wakeAt }) => wakeAt));
  }

  private due(query: DueQuery, ranges: readonly Range[], now: number): DueRow[] {
    const { due, dueBound } = this.statements;
    const left = new Map(query.places);
    const found: DueRow[] = [];
    for (const { backend, step, bound } of ranges) {
      const limit = Math.min(query.limit, left.get(backend ?? '') ?? query.limit);
      const range = bound
        ? rows<[number, number]>(dueBound, backend, step, now, query.instance, limit)
        : rows<[number, number]>(due, backend, step, now, limit);
      for (const [seq, wakeAt] of range) found.push([seq, wakeAt, backend]);
    }
    found.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
    // Several steps of one backend share its places.
    const placed = found.filter(([, , backend]) => {
      const places = left.get(backend ?? '') ?? Infinity;
      if (places > 0) left.set(backend ?? '', places - 1);
      return places > 0;
    });
    return placed.slice(0, query.limit);
  }

  /** Backends and steps that hold tasks, with the time of their first one. */
  private ranges({ backends, boundBackends, steps, instance }: Reach): Range[] {
    const codes = JSON.stringify(steps.map(stepCode));
    const shared = [...new Set([...backends, null])];
    const bound = boundBackends.filter((name) => !backends.includes(name));
    const found = rows<WakeRow>(this.statements.wakes, JSON.stringify(shared), codes).map((range) => rangeOf(range, false));
    if (bound.length === 0) return found;
    const { wakesBound } = this.statements;
    return found.concat(rows<WakeRow>(wakesBound, instance, JSON.stringify(bound), codes).map((range) => rangeOf(range, true)));
  }
}

function rangeOf([backend, step, wakeAt]: WakeRow, bound: boolean): Range {
  return { backend, step, wakeAt, bound };
}
