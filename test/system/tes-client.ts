import type { TesState, TesTask } from '../../src/task/tes';

/** States after which nothing changes any more. */
export const TERMINAL_STATES: readonly TesState[] = ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED'];

/** The answer to a request that was refused. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly body: string,
  ) {
    super(`${status}: ${body}`);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until the answer is there, at most `limitMs`; then fails with what was seen last. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined> | T | undefined, limitMs = 60_000): Promise<T> {
  const end = performance.now() + limitMs;
  let trouble: unknown;
  do {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      trouble = error;
    }
    await pause(50);
  } while (performance.now() < end);
  throw new Error(`not within ${limitMs} ms: ${what}`, { cause: trouble });
}

/** As much of a TES client as tests need. `url` is the base path, such as `http://127.0.0.1:8080/ga4gh/tes/v1`. */
export class TesClient {
  constructor(readonly url: string) {}

  async json<T>(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Refused(answer.status, text);
    return JSON.parse(text) as T;
  }

  async create(task: unknown, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return (await this.json<{ id: string }>('POST', '/tasks', task, headers)).id;
  }

  get(id: string, view: 'MINIMAL' | 'BASIC' | 'FULL' = 'FULL'): Promise<TesTask> {
    return this.json('GET', `/tasks/${id}?view=${view}`);
  }

  list(query = ''): Promise<{ tasks: TesTask[]; next_page_token?: string }> {
    return this.json('GET', `/tasks${query === '' ? '' : `?${query}`}`);
  }

  cancel(id: string): Promise<unknown> {
    return this.json('POST', `/tasks/${id}:cancel`);
  }

  /** Waits until the task is in one of these states and gives its FULL view; a terminal state that is not among them fails at once. */
  async until(id: string, states: readonly TesState[], limitMs = 60_000): Promise<TesTask> {
    let seen: TesState | undefined;
    const reached = await eventually(
      `task ${id} in ${states.join(' or ')}`,
      async () => {
        seen = (await this.get(id, 'MINIMAL')).state;
        return seen !== undefined && (states.includes(seen) || TERMINAL_STATES.includes(seen)) ? seen : undefined;
      },
      limitMs,
    );
    const task = await this.get(id);
    if (!states.includes(reached)) throw new Error(`task ${id} is ${reached}, not ${states.join(' or ')}: ${JSON.stringify(task.logs)}`);
    return task;
  }

  /** The FULL view of the ended task. */
  ended(id: string, limitMs = 60_000): Promise<TesTask> {
    return this.until(id, TERMINAL_STATES, limitMs);
  }
}
