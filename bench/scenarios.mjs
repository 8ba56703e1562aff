// What a TES server is loaded with. Each scenario takes the server and its options and resolves to a summary.
import { setTimeout as pause } from 'node:timers/promises';
import { median, processFigures, quantile, round, sizeMb, sorted } from './figures.mjs';
import { CONNECTIONS, load, loadYardstick, measure } from './load.mjs';
import { realisticTask, TERMINAL, trivialTask } from './tasks.mjs';
import { listPath, pool } from './tes-server.mjs';

/** Different request bodies (and ids) that the generator cycles through. */
const SAMPLE = 2048;

/** Warm-up, then repetitions of one list of requests. */
async function measureRequests(server, requests, options) {
  const { duration = 5, amount, warmup = 1, connections = CONNECTIONS } = options;
  const plan = { url: server.base, headers: server.headers, timeout: server.timeoutSeconds, connections, requests };
  if (warmup > 0) await load({ ...plan, duration: warmup });
  return measure(server, options, () => load({ ...plan, duration, amount }));
}

/** H against itself: what a ratio of 1 looks like on this machine, now. */
export const yardstick = (server, options) => measure(server, options, () => loadYardstick(options.duration ?? 5));

/** POST /tasks with tasks of about 1.6 KB. */
export async function post(server, options) {
  const requests = Array.from({ length: SAMPLE }, () => server.post(realisticTask({}, options.image)));
  const bodyBytes = Buffer.byteLength(requests[0].body);
  return { bodyBytes, ...(await measureRequests(server, requests, { ...options, syncDirectory: options.syncDirectory })) };
}

/** Creates `count` tasks over HTTP, `rare` of them, evenly spread, with the tag rare=yes. */
export async function fill(server, { count = 10_000, rare = 10, connections = CONNECTIONS, image }) {
  const from = performance.now();
  let made = 0;
  let failed = 0;
  for (let part = 1; part <= Math.max(1, rare); part++) {
    const plain = Math.round((count * part) / Math.max(1, rare)) - (rare ? 1 : 0) - made;
    if (plain > 0) {
      const requests = Array.from({ length: SAMPLE }, () => server.post(realisticTask({}, image)));
      failed += (await load({ url: server.base, requests, amount: plain, connections: Math.min(connections, plain) })).failed;
      made += plain;
    }
    if (rare) {
      await server.create(realisticTask({ rare: 'yes' }, image));
      made += 1;
    }
  }
  const seconds = (performance.now() - from) / 1000;
  const storeMb = server.store && round(sizeMb(server.store), 1);
  return { count: made, failed, seconds: round(seconds), perSecond: round(made / seconds), ...processFigures(server.pid), storeMb };
}

/** GET /tasks/{id} over the newest ids. */
export async function get(server, options) {
  const { view = 'MINIMAL', sample = SAMPLE } = options;
  const ids = await server.newestIds(sample);
  const bodyBytes = (await server.call('GET', `/tasks/${ids[0]}?view=${view}`)).text.length;
  const requests = ids.map((id) => server.get(`/tasks/${id}?view=${view}`));
  return { view, ids: ids.length, bodyBytes, ...(await measureRequests(server, requests, options)) };
}

/** The first page of a list, `filter` as in `listPath`; `expect` is how many tasks it must hold. */
export async function list(server, options) {
  const { filter = {}, expect } = options;
  const path = listPath(filter);
  const from = performance.now();
  const { status, body, text } = await server.call('GET', path);
  const firstMs = round(performance.now() - from, 1);
  const matched = body?.tasks?.length;
  if (status !== 200) throw new Error(`list: ${status} ${text.slice(0, 300)}`);
  if (expect !== undefined && matched !== expect) throw new Error(`${path}: ${matched} tasks instead of ${expect}`);
  const answer = { path, matched, more: Boolean(body.next_page_token), bodyBytes: text.length, firstMs };
  return { ...answer, ...(await measureRequests(server, [server.get(path)], options)) };
}

/** The tasks that `fill` marked. */
export const tags = (server, options) => list(server, { expect: 10, ...options, filter: { ...options.filter, tag: 'rare=yes' } });

/** One client walks through all pages (at most `pages`) and looks for tasks that come twice. */
export async function page(server, options) {
  const { filter = {}, pages: most = Infinity } = options;
  return measure(server, options, async () => {
    const seen = new Set();
    const ms = [];
    let twice = 0;
    let token = '';
    const from = performance.now();
    do {
      const asked = performance.now();
      const { status, body, text } = await server.call('GET', listPath(filter, token));
      ms.push(performance.now() - asked);
      if (status !== 200) throw new Error(`page ${ms.length}: ${status} ${text.slice(0, 300)}`);
      for (const { id } of body.tasks ?? []) {
        if (seen.has(id)) twice += 1;
        seen.add(id);
      }
      token = body.next_page_token ?? '';
    } while (token && ms.length < most);
    const seconds = (performance.now() - from) / 1000;
    const order = sorted(ms);
    const times = { seconds: round(seconds), p50: round(quantile(order, 0.5), 3), p99: round(quantile(order, 0.99), 3) };
    return { perSecond: round(ms.length / seconds), n: ms.length, tasks: seen.size, failed: twice, ...times };
  });
}

/** Creates `count` trivial tasks at once and waits until all have ended: tasks per second. */
export async function e2e(server, options) {
  const { count = 200, settleSeconds = 300, connections = CONNECTIONS, yardSeconds = 0 } = options;
  return measure(server, { ...options, yardSeconds }, async () => {
    const from = performance.now();
    const open = new Set();
    const numbers = Array.from({ length: count }, (_, number) => number);
    await pool(numbers, connections, async (number) => open.add(await server.create(trivialTask(number, options))));
    const postedSeconds = (performance.now() - from) / 1000;
    const states = {};
    const ended = [];
    let peakMb = 0;
    while (open.size > 0 && performance.now() - from < settleSeconds * 1000) {
      await pause(250);
      await pool([...open], 8, async (id) => {
        const state = await server.state(id);
        if (!TERMINAL.has(state)) return;
        open.delete(id);
        states[state] = (states[state] ?? 0) + 1;
        ended.push(performance.now() - from);
      });
      peakMb = Math.max(peakMb, processFigures(server.pid).rssMb ?? 0);
    }
    const seconds = (performance.now() - from) / 1000;
    const order = sorted(ended);
    const times = { postedSeconds: round(postedSeconds), seconds: round(seconds), p50: round(quantile(order, 0.5), 0) };
    return {
      perSecond: round((count - open.size) / seconds, 3),
      n: count,
      states,
      failed: count - (states.COMPLETE ?? 0),
      peakMb,
      ...times,
    };
  });
}

/** One trivial task at a time, from POST to the end, `count` times. `beside`, if given, is timed just before each. */
export async function e2e1(server, options) {
  const { count = 10, beside } = options;
  const ms = [];
  const besideMs = [];
  const states = {};
  for (let number = 0; number < count; number++) {
    if (beside) besideMs.push(await timed(beside));
    ms.push(
      await timed(async () => {
        const id = await server.create(trivialTask(number, options));
        const state = await endOf(server, id, { everyMs: 10, seconds: 120 });
        states[state] = (states[state] ?? 0) + 1;
      }),
    );
  }
  const all = ms.map((x) => Math.round(x));
  const best = round(Math.min(...ms), 0);
  return {
    ms: round(median(ms), 0),
    best,
    worst: round(Math.max(...ms), 0),
    all,
    states,
    ...(beside && { besideMs: round(median(besideMs), 1) }),
  };
}

async function timed(work) {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** The state in which a task ended, or the one it is in when the time is over. */
export async function endOf(server, id, { everyMs = 50, seconds = 300 } = {}) {
  const from = performance.now();
  for (;;) {
    await pause(everyMs);
    const state = await server.state(id);
    if (TERMINAL.has(state) || performance.now() - from > seconds * 1000) return state;
  }
}
