// Ratios to something that is done beside it, in the same seconds: bare, ours, bare, ours, ..., bare.
import { loadavg } from 'node:os';
import { mean, median, processFigures, round } from './figures.mjs';

/** `callers` loops for `seconds`; `work` is one operation, or a group that tells how many it was. */
export async function rate({ callers, seconds, serverPid }, work) {
  const cpu = process.cpuUsage();
  const server = processFigures(serverPid).cpuSeconds;
  const from = performance.now();
  const until = from + seconds * 1000;
  let n = 0;
  const loop = async (_, caller) => {
    while (performance.now() < until) {
      const done = (await work(caller)) ?? 1;
      n += done;
    }
  };
  await Promise.all(Array.from({ length: callers }, loop));
  const took = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: round(n / took),
    n,
    cpuMs: round((user + system) / 1000 / n, 4),
    ...(server !== undefined && { mongodMs: round(((processFigures(serverPid).cpuSeconds - server) * 1000) / n, 4) }),
  };
}

/**
 * `ours` and each of `bares` (by name) take seconds and resolve to `{perSecond, ...}`. Each repetition is divided by the mean of what went
 * before and after it, which cancels most of a noisy machine; `ratios` are medians by the bares' names.
 */
export async function beside({ reps, seconds }, ours, bares) {
  const sides = Object.entries(bares);
  const allBares = async () => {
    const results = [];
    for (const [name, bare] of sides) results.push([name, await bare(seconds)]);
    return Object.fromEntries(results);
  };
  const done = [];
  let before = await allBares();
  for (let rep = 1; rep <= reps; rep++) {
    const result = await ours(seconds);
    const after = await allBares();
    const ratios = Object.fromEntries(
      sides.map(([name]) => [name, result.perSecond / mean([before[name].perSecond, after[name].perSecond])]),
    );
    done.push({ rep, ...result, ratios, bare: after, load1: round(loadavg()[0], 1) });
    before = after;
  }
  const middle = (of) => round(median(done.map(of)), 3);
  return {
    reps: done,
    perSecond: middle(({ perSecond }) => perSecond),
    cpuMs: middle(({ cpuMs }) => cpuMs),
    ratios: Object.fromEntries(sides.map(([name]) => [name, middle(({ ratios }) => ratios[name])])),
    barePerSecond: Object.fromEntries(sides.map(([name]) => [name, middle(({ bare }) => bare[name].perSecond)])),
    failed: done.reduce((sum, { failed = 0 }) => sum + failed, 0),
  };
}
