// Arithmetic over measurements, and what /proc and the file system say of a process, a machine, a store.
import { closeSync, fdatasyncSync, openSync, readFileSync, readdirSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const TICKS_PER_SECOND = 100;
const MIB = 1024 * 1024;

export const round = (x, digits = 2) => (Number.isFinite(x) ? Number(x.toFixed(digits)) : null);
export const sorted = (values) => [...values].sort((a, b) => a - b);

/** Of an ascending list; NaN when it is empty. */
export const quantile = (ascending, q) =>
  ascending.length > 0 ? ascending[Math.min(ascending.length - 1, Math.floor(q * ascending.length))] : NaN;

export function median(values) {
  const s = sorted(values.filter(Number.isFinite));
  if (s.length === 0) return NaN;
  return s.length % 2 ? s[(s.length - 1) / 2] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2;
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * CPU seconds (user and system) of a process, its memory in MiB, its open files and threads; `{}` when there is no such process.
 * `rssMb` counts mapped file pages too (an mmap-ed database), `anonMb` only the private part.
 */
export function processFigures(pid) {
  if (!pid) return {};
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const lines = readFileSync(`/proc/${pid}/status`, 'utf8');
    const number = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(lines)?.[1] ?? NaN);
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      /** Of its children that have ended, with theirs. */
      endedCpuSeconds: (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND,
      rssMb: round(number('VmRSS') / 1024, 1),
      anonMb: round(number('RssAnon') / 1024, 1),
      peakMb: round(number('VmHWM') / 1024, 1),
      handles: readdirSync(`/proc/${pid}/fd`).length,
      threads: number('Threads'),
    };
  } catch {
    return {};
  }
}

/** Busy CPU seconds of the whole machine. */
export function machineBusySeconds() {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);
  return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / TICKS_PER_SECOND;
}

/** MiB on disk of a file or of everything in a directory. What disappears meanwhile counts nothing. */
export function sizeMb(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeMb(join(path, name)), 0) : (stat.blocks * 512) / MIB;
}

/** Small durable writes per second on the disk of `directory`: what bounds a server that syncs once per request. */
export function syncsPerSecond(directory, ms = 500) {
  const path = join(directory, `.sync-${process.pid}`);
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  const from = performance.now();
  let n = 0;
  for (; performance.now() - from < ms; n++) {
    writeSync(file, block, 0, block.length, (n % 256) * block.length);
    fdatasyncSync(file);
  }
  const rate = n / ((performance.now() - from) / 1000);
  closeSync(file);
  unlinkSync(path);
  return round(rate, 0);
}
