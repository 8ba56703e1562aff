import { BackendError } from '../../ports/errors';
import { INSTANCE_LABEL, JOB_LABEL } from '../shared/runtimes/labels';
import type { RuntimeName } from '../shared/runtimes/runtime';
import type { ContainerEngine } from './container-engine';
import type { CommandResult, LocalClient } from './local.client';

const ANSWER_MS = 30_000;
const REMOVE_MS = 120_000;
/** JOB-INDEX, or JOB-INDEX-image while an image is looked into. Not every podman can format a label. */
const CONTAINER_NAME = /^(.+)-\d+(?:-image)?$/;

/** docker or podman, asked through its own command. Only exit codes and formatted answers are looked at. */
export class CliContainerEngine implements ContainerEngine {
  private removals: { jobName: string; settle: (containers: number | Error) => void }[] = [];
  private removing = false;

  constructor(
    readonly runtime: RuntimeName,
    private readonly versionFormat: string,
    private readonly client: LocalClient,
    private readonly instance: string,
  ) {}

  async version(signal: AbortSignal): Promise<string> {
    return (await this.ask(['version', '--format', this.versionFormat], ANSWER_MS, signal)).stdout.trim();
  }

  async stopJob(jobName: string, graceSeconds: number, signal: AbortSignal): Promise<boolean> {
    const running = await this.ask(['ps', '-q', '--filter', `label=${JOB_LABEL}=${jobName}`], ANSWER_MS, signal);
    const ids = lines(running.stdout);
    if (ids.length === 0) return false;
    // A container that ended in between makes this fail; removal is what counts.
    await this.client.command([this.runtime, 'stop', '-t', String(graceSeconds), ...ids], graceSeconds * 1000 + ANSWER_MS, signal);
    return true;
  }

  /** Removals that come together are asked for together: one call of the command costs as much as a small task. */
  removeJob(jobName: string, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      this.removals.push({ jobName, settle: (answer) => (typeof answer === 'number' ? resolve(answer) : reject(answer)) });
      if (!this.removing) void this.removeAll();
    });
  }

  /** Never rejects: each caller is told by `settle`. */
  private async removeAll(): Promise<void> {
    this.removing = true;
    while (this.removals.length > 0) {
      const batch = this.removals;
      this.removals = [];
      try {
        const answers = await this.removeBatch(new Set(batch.map((removal) => removal.jobName)));
        for (const removal of batch) removal.settle(answers.get(removal.jobName) ?? 0);
      } catch (error) {
        for (const removal of batch) removal.settle(error instanceof BackendError ? error : this.away(error));
      }
    }
    this.removing = false;
  }

  /** How many containers of each job there were; an error for a job of which some stay, whatever becomes of the others. */
  private async removeBatch(jobNames: ReadonlySet<string>): Promise<ReadonlyMap<string, number | Error>> {
    const signal = AbortSignal.timeout(REMOVE_MS);
    const found = (await this.containers(signal)).filter((container) => jobNames.has(container.jobName));
    const counts = new Map<string, number>();
    for (const { jobName } of found) counts.set(jobName, (counts.get(jobName) ?? 0) + 1);
    if (found.length === 0) return counts;
    const answers = new Map<string, number | Error>(counts);
    const removed = await this.client.command(
      [this.runtime, 'rm', '-f', '-v', ...found.map((container) => container.id)],
      REMOVE_MS,
      signal,
    );
    if (removed.exitCode !== 0) {
      // Some may be gone already; whether they are is for the next listing to say.
      const left = new Set((await this.containers(signal)).map((container) => container.id));
      for (const { id, jobName } of found) if (left.has(id)) answers.set(jobName, this.stays(removed.stderr));
    }
    return answers;
  }

  async jobNames(signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const names = new Map<string, number>();
    for (const { jobName, createdAt } of await this.containers(signal)) {
      const ageMs = Math.max(0, Date.now() - createdAt);
      names.set(jobName, Math.min(names.get(jobName) ?? Infinity, ageMs));
    }
    return names;
  }

  async removeImage(name: string, signal: AbortSignal): Promise<boolean> {
    // Fails also when it has gone already: what is there then counts.
    await this.client.command([this.runtime, 'rmi', name], REMOVE_MS, signal);
    return (await this.ask(['images', '-q', name], ANSWER_MS, signal)).stdout.trim() === '';
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

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}
