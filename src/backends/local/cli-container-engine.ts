import { setTimeout as pause } from 'node:timers/promises';
import { BackendError } from '../../ports/errors';
import { INSTANCE_LABEL } from '../shared/runtimes/labels';
import type { RuntimeName } from '../shared/runtimes/runtime';
import type { CommandResult, LocalClient } from './local.client';

const ANSWER_MS = 30_000;
const REMOVE_MS = 120_000;
/** A removal that takes longer holds up no other one. */
const SLOW_MS = 5000;
const LATE = Symbol('late');
/** JOB-INDEX, or JOB-INDEX-image while an image is looked into. Not every podman can format a label. */
const CONTAINER_NAME = /^(.+)-\d+(?:-image)?$/;

type Settle = (fault?: Error) => void;

/** docker or podman, asked through its own command. Only exit codes and formatted answers are looked at. Everything else is asked by scripts. */
export class CliContainerEngine {
  /** By job: who waits for the next call, and who for one that is under way. */
  private readonly removals = new Map<string, readonly Settle[]>();
  private readonly underWay = new Map<string, readonly Settle[]>();
  private removing = false;

  constructor(
    readonly runtime: RuntimeName,
    private readonly client: LocalClient,
    private readonly instance: string,
    private readonly slowMs = SLOW_MS,
  ) {}

  /**
   * Removes all containers of a job, running or not; throws when that is not known. Removals that come together are asked for together: one call of the command costs as much as a small task. Whoever asks for a job whose
   * removal hangs waits with those who have, and shares no call with others.
   */
  removeJob(jobName: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      const settle: Settle = (fault) => (fault ? reject(fault) : resolve());
      const place = this.underWay.has(jobName) ? this.underWay : this.removals;
      place.set(jobName, [...(place.get(jobName) ?? []), settle]);
      if (!this.removing) void this.removeAll();
    });
  }

  /** Never rejects: each caller is told by `settle`. A call that takes long holds up no later one. */
  private async removeAll(): Promise<void> {
    this.removing = true;
    while (this.removals.size > 0) {
      const jobNames = [...this.removals.keys()];
      for (const [jobName, settles] of this.removals) this.underWay.set(jobName, settles);
      this.removals.clear();
      await soonerThan(this.slowMs, this.removeBatch(jobNames));
    }
    this.removing = false;
  }

  private async removeBatch(jobNames: readonly string[]): Promise<void> {
    const wanted = new Set(jobNames);
    try {
      await this.removeThose(wanted);
    } catch (error) {
      for (const jobName of wanted) this.settle(jobName, error instanceof BackendError ? error : this.away(error));
    }
  }

  /** Takes out of WANTED each job that was told that its containers have gone, or that some stay, whatever becomes of the others. */
  private async removeThose(wanted: Set<string>): Promise<void> {
    const signal = AbortSignal.timeout(REMOVE_MS);
    const found = (await this.containers(signal)).filter((container) => wanted.has(container.jobName));
    const tell = (left: ReadonlySet<string>): void => {
      for (const jobName of wanted) {
        if (!left.has(jobName) && wanted.delete(jobName)) this.settle(jobName);
      }
    };
    tell(new Set(found.map(({ jobName }) => jobName)));
    if (wanted.size === 0) return;
    const removal = this.client.command([this.runtime, 'rm', '-f', '-v', ...found.map((container) => container.id)], REMOVE_MS, signal);
    // The command waits for the slowest; what has gone by now has gone. What the list's failure means, the removal's own end says.
    if ((await soonerThan(this.slowMs, removal)) === LATE) tell(await this.jobsWithContainers(signal).catch(() => wanted));
    const removed = await removal;
    // Some may be gone already; whether they are is for the next listing to say.
    tell(removed.exitCode === 0 ? new Set() : await this.jobsWithContainers(signal));
    for (const jobName of wanted) this.settle(jobName, this.stays(removed.stderr));
  }

  private settle(jobName: string, fault?: Error): void {
    const settles = this.underWay.get(jobName) ?? [];
    this.underWay.delete(jobName);
    for (const settle of settles) settle(fault);
  }

  private async jobsWithContainers(signal: AbortSignal): Promise<ReadonlySet<string>> {
    return new Set((await this.containers(signal)).map((container) => container.jobName));
  }

  /** Names of all jobs of this gateway that have a container, with the age in ms of the youngest. */
  async jobNames(signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const names = new Map<string, number>();
    for (const { jobName, createdAt } of await this.containers(signal)) {
      const ageMs = Math.max(0, Date.now() - createdAt);
      names.set(jobName, Math.min(names.get(jobName) ?? Infinity, ageMs));
    }
    return names;
  }

  private async containers(signal: AbortSignal): Promise<readonly { id: string; jobName: string; createdAt: number }[]> {
    const format = '{{.ID}} {{.Names}} {{.CreatedAt}}';
    const answer = await this.ask(
      ['ps', '-a', '--no-trunc', '--filter', `label=${INSTANCE_LABEL}=${this.instance}`, '--format', format],
      ANSWER_MS,
      signal,
    );
    return lines(answer.stdout).map((line) => {
      const [id = '', name = '', day = '', time = '', zone = ''] = line.split(' ');
      const createdAt = Date.parse(`${day}T${time.slice(0, 12)}${zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')}`);
      return { id, jobName: CONTAINER_NAME.exec(name)?.[1] ?? '', createdAt: Number.isNaN(createdAt) ? 0 : createdAt };
    });
  }

  /** A command that must succeed for its answer to mean anything. */
  private async ask(args: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<CommandResult> {
    try {
      const result = await this.client.command([this.runtime, ...args], timeoutMs, signal);
      if (result.exitCode === 0) return result;
      throw new Error(result.stderr.trim() || `exit code ${result.exitCode}`);
    } catch (error) {
      signal.throwIfAborted();
      throw this.away(error);
    }
  }

  private stays(words: string): BackendError {
    return new BackendError(`${this.runtime} cannot remove a container`, {
      retryable: true,
      unavailable: true,
      internal: `${this.runtime}: ${words.trim()}`,
    });
  }

  private away(cause: unknown): BackendError {
    const internal = cause instanceof Error ? `${this.runtime}: ${cause.message}` : `${this.runtime} failed`;
    return new BackendError(`${this.runtime} does not answer`, { retryable: true, unavailable: true, internal, cause });
  }
}

/** `LATE` when the work takes longer; it goes on. */
async function soonerThan<T>(ms: number, work: Promise<T>): Promise<T | typeof LATE> {
  const timer = new AbortController();
  const late = pause(ms, LATE, { signal: timer.signal }).catch((): typeof LATE => LATE);
  return Promise.race([work, late]).finally(() => timer.abort());
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}
