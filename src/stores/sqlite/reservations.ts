import type { Capacity, Reservation } from '../../ports/task-store';
import { row, rows, type Statements } from './statements';

/** Ten times 0.1 cores fit into one: what sums of fractions may be off. */
const ROUNDING = 1e-9;

/** Inside a transaction. */
export function reserve(statements: Statements, key: string, wanted: Reservation, capacity: Capacity): boolean {
  if (row(statements.reserved, key, wanted.taskId, wanted.attempt) !== undefined) return true;
  const [jobs, cpu, ram] = row<[number, number, number]>(statements.reservedSum, key) ?? [0, 0, 0];
  if (capacity.slots !== undefined && jobs + 1 > capacity.slots) return false;
  if (cpu + wanted.cpuCores > capacity.cpuCores + ROUNDING || ram + wanted.ramGb > capacity.ramGb + ROUNDING) return false;
  statements.reserve.run(key, wanted.taskId, wanted.attempt, wanted.cpuCores, wanted.ramGb);
  return true;
}

export function readReservations(statements: Statements, key: string): Reservation[] {
  return rows<[string, number, number, number]>(statements.reservations, key).map(([taskId, attempt, cpuCores, ramGb]) => ({
    taskId,
    attempt,
    cpuCores,
    ramGb,
  }));
}
