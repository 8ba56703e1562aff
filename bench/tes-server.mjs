// A TES server seen from outside: one plain request at a time. The load itself is in load.mjs.
import http from 'node:http';

/** Calls `work` for every item, `width` at a time. */
export async function pool(items, width, work) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}

export class TesServer {
  #agent = new http.Agent({ keepAlive: true, maxSockets: 128 });

  /** `base` such as `http://127.0.0.1:8080`; `pid` and `store` (a file or directory) where they are known. */
  constructor({ base, prefix = '/ga4gh/tes/v1', headers = {}, timeoutSeconds = 30, pid, store }) {
    this.base = base.replace(/\/$/, '');
    this.prefix = prefix.replace(/\/$/, '');
    this.headers = headers;
    this.timeoutSeconds = timeoutSeconds;
    this.pid = pid;
    this.store = store;
  }

  /** Resolves to `{status, body, text}` whatever the status; rejects on a socket error. */
  call(method, path, body) {
    return new Promise((resolve, reject) => {
      const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const length = data && { 'content-type': 'application/json', 'content-length': data.length };
      const headers = { accept: 'application/json', ...this.headers, ...length };
      const request = http.request(this.base + this.prefix + path, { method, agent: this.#agent, headers }, (response) => {
        const chunks = [];
        response
          .on('data', (chunk) => chunks.push(chunk))
          .on('error', reject)
          .on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({ status: response.statusCode, body: parsed(text), text });
          });
      });
      request.setTimeout(this.timeoutSeconds * 1000, () => request.destroy(new Error('time-out')));
      request.on('error', reject).end(data);
    });
  }

  async create(task) {
    const { status, body, text } = await this.call('POST', '/tasks', task);
    if (status !== 200) throw new Error(`create: ${status} ${text.slice(0, 200)}`);
    return body.id;
  }

  async state(id) {
    return (await this.call('GET', `/tasks/${id}?view=MINIMAL`)).body?.state ?? 'MISSING';
  }

  /** Up to `n` ids, newest first. */
  async newestIds(n) {
    const ids = [];
    for (let token = ''; ids.length < n;) {
      const { status, body, text } = await this.call('GET', listPath({}, token));
      if (status !== 200) throw new Error(`list: ${status} ${text.slice(0, 200)}`);
      ids.push(...(body.tasks ?? []).map(({ id }) => id));
      token = body.next_page_token ?? '';
      if (!token) break;
    }
    return ids.slice(0, n);
  }

  /** A request for the load generator. */
  get(path) {
    return { method: 'GET', path: this.prefix + path, headers: { accept: 'application/json', ...this.headers } };
  }

  post(task) {
    const headers = { 'content-type': 'application/json', accept: 'application/json', ...this.headers };
    return { method: 'POST', path: `${this.prefix}/tasks`, headers, body: JSON.stringify(task) };
  }

  close() {
    this.#agent.destroy();
  }
}

/** `filter`: `{state, name, tag: 'key=value'}`. */
export function listPath({ view = 'MINIMAL', pageSize = 256, state, name, tag } = {}, token = '') {
  const query = new URLSearchParams({ view, page_size: String(pageSize) });
  if (state) query.set('state', state);
  if (name) query.set('name_prefix', name);
  if (tag) {
    const at = tag.indexOf('=');
    query.set('tag_key', tag.slice(0, at));
    query.set('tag_value', tag.slice(at + 1));
  }
  if (token) query.set('page_token', token);
  return `/tasks?${query}`;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
