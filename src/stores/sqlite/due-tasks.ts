import type { ClaimQuery } from '../../ports/task-store';
import type { TaskRecord } from '../../task/task-record';
import { stepCode } from './codes';
import { decodeRecord, type RecordRow } from './record-codec';
import { row, rows, type Statements } from './statements';

type WakeRow = [seq: number, wakeAt: number];
type Reach = Omit<ClaimQuery, 'holder' | 'leaseMs' | 'limit'>;

/**
 * What is due is looked up per backend and step, each a short range of one index: tasks of a backend that this process does not
 * serve, or of another loop's step, are never read, however many are overdue. A task that names no backend is anyone's.
 */
export class DueTasks {
  constructor(private readonly statements: Statements) {}

  /** Inside a transaction. */
  claim(query: ClaimQuery, now: number): TaskRecord[] {
    const until = now + query.leaseMs;
    const claimed: TaskRecord[] = [];
    for (const [seq] of this.due(query, now)) {
      this.statements.lease.run(query.holder, until, until, seq);
      const record = row<RecordRow>(this.statements.recordAt, seq);
      if (record !== undefined) claimed.push(decodeRecord(record));
    }
    return claimed;
  }

  /** A read, so that a loop that finds nothing does not write. */
  isAnyDue(query: ClaimQuery, now: number): boolean {
    return this.due({ ...query, limit: 1 }, now).length > 0;
  }

  next(query: Reach): number | undefined {
    let next: number | undefined;
    for (const { backend, bound } of this.reach(query)) {
      for (const step of query.steps) {
        const code = stepCode(step);
        const found = bound
          ? row<[number]>(this.statements.nextDueBound, backend, code, query.instance)
          : row<[number]>(this.statements.nextDue, backend, code);
        if (found !== undefined && (next === undefined || found[0] < next)) next = found[0];
      }
    }
    return next;
  }

  private due(query: ClaimQuery, now: number): WakeRow[] {
    const { due, dueBound } = this.statements;
    const found: WakeRow[] = [];
    for (const { backend, bound } of this.reach(query)) {
      for (const step of query.steps) {
        const code = stepCode(step);
        found.push(
          ...(bound
            ? rows<WakeRow>(dueBound, backend, code, now, query.instance, query.limit)
            : rows<WakeRow>(due, backend, code, now, query.limit)),
        );
      }
    }
    return found.sort((a, b) => a[1] - b[1] || a[0] - b[0]).slice(0, query.limit);
  }

  private reach(query: Reach): { backend: string | null; bound: boolean }[] {
    const shared = new Set<string | null>([...query.backends, null]);
    const bound = new Set(query.boundBackends.filter((name) => !shared.has(name)));
    return [...Array.from(shared, (backend) => ({ backend, bound: false })), ...Array.from(bound, (backend) => ({ backend, bound: true }))];
  }
}
