import { Readable } from 'node:stream';
import { BackendError } from '../../src/ports/errors';
import {
  type BackendCapabilities,
  type BackendHealth,
  ExecutionBackend,
  type Job,
  type LogChunk,
  type Workspace,
  type WorkspaceEntry,
} from '../../src/ports/execution-backend';
import type { Observation } from '../../src/task/observation';
import { type ExecutorRecord, type Handle, jobName } from '../../src/task/task-record';

/** How a scripted job ends once `finish` is called, or by itself after some looks. */
export interface Ending {
  readonly phase: 'succeeded' | 'failed' | 'lost' | 'preempted' | 'system-error';
  readonly exitCodes?: readonly number[];
}

/** What is really true of one job, whatever the gateway believes. Outlives every gateway. */
export interface RealJob {
  readonly name: string;
  /** How often it really began to run. More than one is a fault of the gateway. */
  starts: number;
  state: 'prepared' | 'running' | 'ended';
  ending?: Ending;
  /** Looks after which it ends by itself; Infinity = only by `finish`. */
  looksLeft: number;
  readonly files: Map<string, string>;
}

/**
 * the backend is `away`, whatever it is asked · `before` the effect it fails · it says `after` the effect that it failed · the effect is at once, the answer comes `late` or very
 * late (`stale`), when much has changed, or not at all until the caller gives up (`hangs`) · a look finds every job `gone`, which an earlier look, whose answer may be late,
 * found at work or at its end.
 */
export type Verdict = 'before' | 'after' | 'late' | 'stale' | 'hangs' | 'gone' | 'away';
/** Longer than it takes to lose a job and start the next. */
const LATE_MS = 2_000;
/** Longer than any lease. */
const STALE_MS = 40_000;
const NEVER = new AbortController().signal;

export interface Script {
  /** Called at the door of every verb: how it goes wrong, if it does. */
  readonly onCall?: (verb: string, name: string) => Verdict | undefined;
  /** How a job goes: after how many looks it ends, and how. */
  readonly life?: (job: Job) => { readonly looks: number; readonly ending: Ending };
  /** Called inside the submit that starts a job, before it answers. */
  readonly onStart?: (name: string) => void;
  /** Jobs of its own, where several backends would otherwise share them. */
  readonly world?: ScriptedWorld;
  readonly capacity?: BackendCapabilities['capacity'];
  capabilities?: Partial<BackendCapabilities>;
}

/** The jobs of one imaginary cluster: shared by every `ScriptedBackend` (one per gateway life) that looks at it. */
export class ScriptedWorld {
  readonly jobs = new Map<string, RealJob>();
  /** Cancel marks; under one of them nothing starts. The clean-up takes them away. */
  readonly marks = new Set<string>();
  /** Every job that was ever fenced. */
  readonly fenced = new Set<string>();
  /** Every start that ever happened, also of jobs that were removed. */
  readonly started: string[] = [];
}

const ENDED = new Set(['succeeded', 'failed', 'lost', 'preempted', 'system-error']);

/** An execution backend in memory whose every answer is scripted: for faults that no real one can be made to show on demand. */
export class ScriptedBackend extends ExecutionBackend {
  healthy: BackendHealth = { ok: true, detail: 'scripted' };
  private nudge: ((jobName: string) => void) | undefined;

  constructor(
    readonly world: ScriptedWorld = new ScriptedWorld(),
    readonly script: Script = {},
    readonly name = 'scripted',
  ) {
    super();
  }

  capabilities(): BackendCapabilities {
    return {
      parameterKeys: ['queue'],
      staging: 'gateway',
      capacity: this.script.capacity ?? { cpuCores: 4, ramGb: 16 },
      boundToInstance: false,
      canList: true,
      draining: false,
      pollMs: { first: 100, longest: 1000 },
      notes: [],
      ...this.script.capabilities,
    };
  }

  check(..._task: Parameters<ExecutionBackend['check']>): readonly string[] {
    return [];
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  async submit(job: Job, handle: Handle | undefined, signal = NEVER): Promise<Handle> {
    const fail = await this.door('submit', job.name);
    if (this.world.marks.has(job.name)) throw new BackendError('the job was cancelled', { retryable: false });
    let real = this.world.jobs.get(job.name);
    if (!handle) {
      const life = this.script.life?.(job) ?? { looks: Infinity, ending: { phase: 'succeeded' } };
      real ??= { name: job.name, starts: 0, state: 'prepared', looksLeft: life.looks, ending: life.ending, files: new Map() };
      this.world.jobs.set(job.name, real);
    } else {
      if (!real) throw new BackendError('the workspace is gone', { retryable: true });
      if (real.state === 'prepared') {
        real.state = 'running';
        real.starts += 1;
        this.world.started.push(job.name);
        this.script.onStart?.(job.name);
      }
    }
    await this.leave(fail, signal, false);
    return {
      backend: this.name,
      version: 1,
      step: handle ? 'submitted' : 'prepared',
      data: { executors: String(job.request.executors.length) },
    };
  }

  async observe(jobs: readonly { readonly name: string; readonly handle: Handle }[], signal = NEVER): Promise<readonly Observation[]> {
    const fail = await this.door('observe', jobs[0]?.name ?? '');
    const seen = jobs.map(({ name, handle }) => {
      if (fail === 'gone') this.world.jobs.delete(name);
      return this.look(name, Number(handle.data['executors'] ?? 1));
    });
    await this.leave(fail, signal);
    return seen;
  }

  workspace(job: Job): Workspace {
    return new MemoryWorkspace(() => this.world.jobs.get(job.name)?.files);
  }

  async cancel(name: string, _handle?: Handle, signal = NEVER): Promise<Observation | undefined> {
    const fail = await this.door('cancel', name);
    this.world.marks.add(name);
    this.world.fenced.add(name);
    const real = this.world.jobs.get(name);
    if (real) real.state = 'ended';
    await this.leave(fail, signal);
    return undefined;
  }

  async cleanup(name: string, _handle?: Handle, _options?: unknown, signal = NEVER): Promise<void> {
    const fail = await this.door('cleanup', name);
    const real = this.world.jobs.get(name);
    if (real?.state === 'running' && real.looksLeft > 0) throw new Error(`cleanup of ${name} while it runs`);
    this.world.jobs.delete(name);
    this.world.marks.delete(name);
    await this.leave(fail, signal);
  }

  health(signal = NEVER): Promise<BackendHealth> {
    const verdict = this.script.onCall?.('health', '');
    if (verdict === 'away') return Promise.resolve({ ok: false, detail: 'away' });
    return verdict === 'hangs' ? aborted(signal) : Promise.resolve(this.healthy);
  }

  override watch(nudge: (jobName: string) => void): void {
    this.nudge = nudge;
  }

  override async list(signal = NEVER): Promise<readonly { name: string; ageMs: number }[]> {
    await this.leave(await this.door('list', ''), signal);
    return [...this.world.jobs.keys()].map((name) => ({ name, ageMs: Infinity }));
  }

  override readLog(
    name: string,
    _handle: Handle,
    _executor: number,
    stream: 'stdout' | 'stderr',
    offset: number,
  ): Promise<LogChunk | undefined> {
    const real = this.world.jobs.get(name);
    if (!real) return Promise.resolve(undefined);
    const bytes = Buffer.from(real.files.get(`@${stream}`) ?? '').subarray(offset);
    return Promise.resolve({ bytes, ended: real.state === 'ended' });
  }

  /** Ends the job of a task's attempt now, and says so. */
  finish(taskId: string, attempt: number, ending: Ending = { phase: 'succeeded' }): void {
    const real = this.world.jobs.get(jobName(taskId, attempt));
    if (!real) throw new Error(`no job for ${taskId} ${attempt}`);
    real.ending = ending;
    real.looksLeft = 0;
    this.nudge?.(real.name);
  }

  private look(name: string, executors: number): Observation {
    const real = this.world.jobs.get(name);
    if (!real) return { jobName: name, phase: 'lost', executors: [], systemLogs: [] };
    if (real.state === 'prepared') return { jobName: name, phase: 'pending', executors: [], systemLogs: [] };
    if (real.looksLeft > 0) {
      real.looksLeft -= 1;
      return { jobName: name, phase: 'running', executors: [], systemLogs: [] };
    }
    real.state = 'ended';
    const ending = real.ending ?? { phase: 'succeeded' };
    if (!ENDED.has(ending.phase)) throw new Error(`unknown ending ${ending.phase}`);
    if (ending.phase === 'system-error') {
      const systemError = { message: 'the node went away', retryable: true };
      return { jobName: name, phase: 'failed', executors: [], systemLogs: [], systemError };
    }
    if (ending.phase === 'lost' || ending.phase === 'preempted')
      return { jobName: name, phase: ending.phase, executors: [], systemLogs: [] };
    const codes =
      ending.exitCodes ?? Array.from({ length: ending.phase === 'failed' ? 1 : executors }, () => (ending.phase === 'failed' ? 1 : 0));
    return { jobName: name, phase: ending.phase, executors: codes.map(executorRecord), systemLogs: [] };
  }

  private async door(verb: string, name: string): Promise<Verdict | undefined> {
    const verdict = await Promise.resolve(this.script.onCall?.(verb, name));
    if (verdict === 'away') throw new BackendError(`${this.name} is away`, { retryable: true, unavailable: true });
    if (verdict === 'before') throw new BackendError('connection refused', { retryable: true, unavailable: verb !== 'submit' });
    return verdict;
  }

  private async leave(verdict: Verdict | undefined, signal: AbortSignal, unavailable = true): Promise<void> {
    if (verdict === 'after') throw new BackendError('connection reset', { retryable: true, unavailable });
    if (verdict === 'hangs') await aborted(signal);
    if (verdict === 'late' || verdict === 'stale')
      await new Promise((resolve) => setTimeout(resolve, verdict === 'late' ? LATE_MS : STALE_MS));
  }
}

/** Never resolves; throws as soon as the signal says so. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    else signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

function executorRecord(exitCode: number): ExecutorRecord {
  return { exitCode, startedAt: 1000, endedAt: 2000, stdout: { text: 'out', totalBytes: 3 }, stderr: { text: '', totalBytes: 0 } };
}

/** A workspace that is a map of container path -> text. */
class MemoryWorkspace implements Workspace {
  constructor(private readonly found: () => Map<string, string> | undefined) {}

  private files(): Map<string, string> {
    return this.found() ?? new Map<string, string>();
  }
  isThere(): Promise<boolean> {
    return Promise.resolve(this.found() !== undefined);
  }

  sizeBytes(): Promise<number> {
    return Promise.resolve([...this.files().values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0));
  }

  beginInputs(): Promise<void> {
    return Promise.resolve();
  }
  async write(path: string, _attributes: unknown, content: Readable): Promise<{ sizeBytes: number }> {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(Buffer.from(chunk as Uint8Array));
    const bytes = Buffer.concat(chunks);
    this.files().set(path, bytes.toString());
    return { sizeBytes: bytes.length };
  }
  mkdir(): Promise<void> {
    return Promise.resolve();
  }
  symlink(): Promise<void> {
    return Promise.resolve();
  }
  commitInputs(): Promise<void> {
    return Promise.resolve();
  }
  stat(path: string): Promise<WorkspaceEntry | undefined> {
    const text = this.files().get(path);
    return Promise.resolve(text === undefined ? undefined : { path, kind: 'file', sizeBytes: Buffer.byteLength(text), mode: 0o644 });
  }
  async *list(): AsyncIterable<WorkspaceEntry> {
    // Flat: nothing lies below anything.
  }
  read(path: string): Promise<Readable> {
    return Promise.resolve(Readable.from([Buffer.from(this.files().get(path) ?? '')]));
  }
}
