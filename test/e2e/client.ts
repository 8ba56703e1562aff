import { Agent, request } from 'node:http';
import supertest from 'supertest';
import type { TesState, TesTask, TesTaskRequest } from '../../src/task/tes';
import { faultsOf } from './official';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is not JSON. */
  readonly json: unknown;
}

export const V1 = '/v1';
export const TES_BASE = '/ga4gh/tes/v1';
const ENDED: readonly string[] = ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED', 'PREEMPTED'];
const PATIENCE_MS = 20_000;
/** Connections are kept, as clients keep them, and not more at once than a client has. */
const AGENT = new Agent({ keepAlive: true, maxSockets: 32 });

export const TRUE_TASK = { executors: [{ image: 'busybox', command: ['true'] }] };

/** Speaks HTTP to a gateway as clients do, and holds every task it reads against the official document. */
export class Client {
  constructor(
    private readonly port: () => number,
    readonly base: string = TES_BASE,
  ) {}

  private get http(): ReturnType<typeof supertest> {
    return supertest(`http://127.0.0.1:${this.port()}`);
  }

  /** `target` and the body are sent as they are, byte for byte. */
  send(
    method: string,
    target: string,
    options: { readonly body?: string | Buffer; readonly headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { body, headers } = options;
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const sent = request(
        { agent: AGENT, host: '127.0.0.1', port: this.port(), method, path: target, headers: { ...length, ...headers } },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json: parsed(text) });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  get(path: string): Promise<Answer> {
    return answerOf(this.http.get(this.base + path).agent(AGENT));
  }

  /** POST /tasks with any body. */
  post(task: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return answerOf(
      this.http
        .post(`${this.base}/tasks`)
        .agent(AGENT)
        .set({ 'content-type': 'application/json', ...headers })
        .send(JSON.stringify(task)),
    );
  }

  /** Creates a task that must be taken. */
  async create(task: Partial<TesTaskRequest> | Record<string, unknown> = {}, headers: Record<string, string> = {}): Promise<string> {
    const answer = await this.post({ ...TRUE_TASK, ...task }, headers);
    expect([answer.status, faultsOf(answer.json, 'tesCreateTaskResponse'), answer.text]).toEqual([200, [], answer.text]);
    return (answer.json as { id: string }).id;
  }

  async task(id: string, view: 'MINIMAL' | 'BASIC' | 'FULL' = 'FULL'): Promise<TesTask> {
    const { status, json } = await this.get(`/tasks/${id}?view=${view}`);
    expect([status, faultsOf(json, view === 'MINIMAL' ? 'minimalTask' : 'tesTask')]).toEqual([200, []]);
    return json as TesTask;
  }

  /** Asks again until the state is one of these. Fails when the task has ended otherwise, or in the end. */
  async until(id: string, ...states: readonly TesState[]): Promise<TesTask> {
    const giveUpAt = performance.now() + PATIENCE_MS;
    for (;;) {
      const { state } = await this.task(id, 'MINIMAL');
      if (states.includes(state)) return this.task(id);
      if (ENDED.includes(state) || performance.now() > giveUpAt) {
        throw new Error(`${id} is ${state}, not ${states.join(' or ')}: ${JSON.stringify((await this.task(id)).logs)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  cancel(id: string): Promise<Answer> {
    return answerOf(this.http.post(`${this.base}/tasks/${id}:cancel`).agent(AGENT));
  }

  /** The ids of one page. */
  async page(query: string): Promise<{ readonly ids: string[]; readonly next: string }> {
    const { status, json, text } = await this.get(`/tasks?${query}`);
    if (status !== 200) throw new Error(text);
    const { tasks, next_page_token } = json as { tasks: { id: string }[]; next_page_token: string };
    return { ids: tasks.map(({ id }) => id), next: next_page_token };
  }

  /** Posts what must be refused, and gives the paths that the refusal names. */
  async refusal(task: unknown): Promise<readonly string[]> {
    const answer = await this.post(task);
    const { code, details } = answer.json as { code: string; details?: { path: string }[] };
    expect([answer.status, code]).toEqual([400, 'INVALID_TASK']);
    return (details ?? []).map(({ path }) => path);
  }
}

async function answerOf(sent: supertest.Test): Promise<Answer> {
  const { status, headers, text } = await sent;
  return { status, headers: headers, text, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
