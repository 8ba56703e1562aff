// Scenarios that start a server by a command, kill it with SIGKILL under load, start it again and look for what was lost.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { round } from './figures.mjs';
import { CONNECTIONS } from './load.mjs';
import { realisticTask, TERMINAL, trivialTask } from './tasks.mjs';
import { pool } from './tes-server.mjs';

async function start(server, command) {
  const from = performance.now();
  const child = spawn('bash', ['-c', `exec ${command}`], { stdio: 'ignore', detached: true });
  child.unref();
  for (let tries = 0; tries < 600; tries++) {
    const up = await server.call('GET', '/service-info').catch(() => undefined);
    if (up?.status === 200) return { pid: child.pid, startMs: round(performance.now() - from, 0) };
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    await pause(100);
  }
  throw new Error('the server did not come up');
}

async function end(pid) {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    await pause(1000);
  }
}

async function statesOf(server, ids) {
  const states = new Map();
  await pool(ids, 16, async (id) => states.set(id, await server.state(id).catch(() => 'UNREACHABLE')));
  const counts = {};
  for (const state of states.values()) counts[state] = (counts[state] ?? 0) + 1;
  return { states, counts };
}

/** Starts of containers by task, from a log with a line for each, where there is one. */
function startsOf(ids, log) {
  if (!log || !existsSync(log)) return undefined;
  const lines = readFileSync(log, 'utf8').split('\n');
  return ids.map((id) => lines.filter((line) => line.includes(id)).length);
}

/** `count` tasks running, SIGKILL, start again: how do they end? */
export async function crashRun(server, options) {
  const { count = 50, settleSeconds = 60, killAfter, startCommand, startsLog, connections = CONNECTIONS } = options;
  if (startsLog) writeFileSync(startsLog, '');
  const first = await start(server, startCommand);
  const ids = [];
  await pool(
    Array.from({ length: count }, (_, i) => i),
    connections,
    async (i) => ids.push(await server.create(trivialTask(i, options))),
  );
  const before = await momentToKill(server, ids, killAfter);
  const startedBefore = startsOf(ids, startsLog)?.filter((n) => n > 0).length;
  process.kill(first.pid, 'SIGKILL');
  await pause(500);
  const second = await start(server, startCommand);
  await pause(settleSeconds * 1000);
  const after = await statesOf(server, ids);
  const stuck = ids.filter((id) => !TERMINAL.has(after.states.get(id)));
  let cancelOfStuck;
  if (stuck.length > 0) {
    const { status } = await server.call('POST', `/tasks/${stuck[0]}:cancel`, {});
    cancelOfStuck = `${status} -> ${await server.state(stuck[0])}`;
  }
  const starts = startsOf(ids, startsLog);
  await end(second.pid);
  return {
    count,
    before,
    startedBefore,
    restartMs: second.startMs,
    after: after.counts,
    stuck: stuck.length,
    cancelOfStuck,
    neverStarted: starts?.filter((n) => n === 0).length,
    startedTwice: starts?.filter((n) => n > 1).length,
  };
}

/** So long after the last create; without a time, once 90 % are RUNNING or one has ended, at most 15 s. */
async function momentToKill(server, ids, killAfter) {
  if (killAfter !== undefined) {
    await pause(killAfter * 1000);
    return (await statesOf(server, ids)).counts;
  }
  const from = performance.now();
  for (;;) {
    await pause(50);
    const { states, counts } = await statesOf(server, ids);
    const enough = (counts.RUNNING ?? 0) >= ids.length * 0.9 || [...states.values()].some((state) => TERMINAL.has(state));
    if (enough || performance.now() - from > 15_000) return counts;
  }
}

/** A storm of creates, SIGKILL, start again: is every acknowledged task there? */
export async function crashPost(server, { duration = 5, startCommand, connections = CONNECTIONS, image }) {
  const first = await start(server, startCommand);
  const bodies = Array.from({ length: 256 }, () => realisticTask({}, image));
  const acknowledged = [];
  let failed = 0;
  let over = false;
  const senders = Array.from({ length: connections }, async (_, sender) => {
    for (let i = sender; !over; i++) {
      const answer = await server.call('POST', '/tasks', bodies[i % bodies.length]).catch(() => undefined);
      if (answer?.status === 200) acknowledged.push(answer.body.id);
      else failed += 1;
      if (answer === undefined && !over) await pause(5);
    }
  });
  await pause(duration * 1000);
  process.kill(first.pid, 'SIGKILL');
  await pause(200);
  over = true;
  await Promise.all(senders);
  const second = await start(server, startCommand);
  const lost = [];
  let damaged = 0;
  await pool(acknowledged, 16, async (id) => {
    const { status, body } = await server.call('GET', `/tasks/${id}?view=BASIC`);
    if (status === 404) lost.push(id);
    else if (status !== 200 || body?.executors?.length !== 1) damaged += 1;
  });
  const stored = (await server.newestIds(1e7)).length;
  await end(second.pid);
  const unacknowledged = stored - (acknowledged.length - lost.length);
  const ids = { acknowledged: acknowledged.length, different: new Set(acknowledged).size, stored, unacknowledged };
  return { ...ids, requestsFailed: failed, lost: lost.length, lostIds: lost.slice(0, 5), damaged, restartMs: second.startMs };
}
