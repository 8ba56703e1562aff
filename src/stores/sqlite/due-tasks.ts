import type { ClaimQuery } from '../../ports/task-store';
import type { TaskRecord } from '../../task/task-record';
import { stepCode } from './codes';
import { decodeRecord, type RecordRow } from './record-codec';
import { row, rows, type Statements } from './statements';

type DueRow = [seq: number, wakeAt: number];
type WakeRow = [backend: string | null, step: number, wakeAt: number];

interface Range {
  readonly backend: string | null;
  readonly step: number;
  readonly wakeAt: number;
  /** Only this instance's tasks of it. */
  readonly bound: boolean;
}
type Reach = Omit<ClaimQuery, 'holder' | 'leaseMs' | 'limit'>;

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

  /** A read, so that a loop that finds nothing does not write. */
  dueRanges(query: Reach, now: number): readonly Range[] {
    return this.ranges(query).filter(({ wakeAt }) => wakeAt <= now);
  }

  next(query: Reach): number | undefined {
    const ranges = this.ranges(query);
    return ranges.length === 0 ? undefined : Math.min(...ranges.map(({ wakeAt }) => wakeAt));
  }

  private due(query: ClaimQuery, ranges: readonly Range[], now: number): DueRow[] {
    const { due, dueBound } = this.statements;
    const found: DueRow[] = [];
    for (const { backend, step, bound } of ranges) {
      found.push(
        ...(bound
          ? rows<DueRow>(dueBound, backend, step, now, query.instance, query.limit)
          : rows<DueRow>(due, backend, step, now, query.limit)),
      );
    }
    return found.sort((a, b) => a[1] - b[1] || a[0] - b[0]).slice(0, query.limit);
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
