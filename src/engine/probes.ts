import { BackendError } from '../ports/errors';
import type { BackendMonitor } from './backend-monitor';

/**
 * Of a backend that is known to be away one call at a time really goes there, and finds out when it is back. All others fail at once
 * with what is known, so that a backend whose calls hang holds no places. What a task does then is the same as if it had asked.
 */
export class Probes {
  private readonly probing = new Set<string>();

  constructor(private readonly monitor: Pick<BackendMonitor, 'health'>) {}

  /** `signal`-bound work that calls the backend. Throws `BackendError` (unavailable) in its place. */
  async run<Result>(backend: string, work: () => Promise<Result>): Promise<Result> {
    const { ok, detail } = this.monitor.health(backend);
    if (ok) return work();
    if (this.probing.has(backend)) {
      throw new BackendError(`backend ${backend} is unreachable (${detail})`, { retryable: true, unavailable: true });
    }
    this.probing.add(backend);
    try {
      return await work();
    } finally {
      this.probing.delete(backend);
    }
  }
}
