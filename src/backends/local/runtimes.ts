import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { BackendError } from '../../ports/errors';
import type { BackendHealth } from '../../ports/execution-backend';
import type { Handle } from '../../task/task-record';
import { part, scriptFor } from '../shared/job-script';
import { RUNTIME_NAMES, type RuntimeName } from '../shared/runtimes/runtime';
import { RUNTIMES } from '../shared/runtimes/runtimes';
import { parseProbe, probeWords, type WorkerFacts } from '../shared/script/worker-facts';
import { assignment } from '../shared/shell-quote';
import { CliContainerEngine } from './cli-container-engine';
import { ImageCopies } from './image-copies';
import { KnownImages } from './known-images';
import { existsNow } from '../shared/small-files';
import { machineError } from '../shared/workspace-errors';
import { type JobDirectories, removeTree } from './job-directories';
import type { LocalClient } from './local.client';
import type { LocalBackendSettings } from './local.settings';

/** All that a machine is asked, by commands that have limits of their own. */
const PROBE_MS = 300_000;
const VERSION_MS = 10_000;
const PROBE_PARTS = ['processes.sh', 'groups.sh', 'runtimes/overlay.sh', 'script/probe.sh'];
const NO_INIT =
  'containers have no init: a program that gets or sends itself a signal may not hear it, and a cancel waits for the grace (install catatonit, or docker-init)';

/** The runtime in use, what this machine can do with it, the engines behind jobs that another one started, and the scripts. */
export class Runtimes {
  readonly copies: ImageCopies;
  readonly knownImages = new KnownImages();
  private readonly engines = new Map<RuntimeName, CliContainerEngine>();
  private readonly scripts = new Map<RuntimeName, string>();
  /** By runtime, once it has answered. */
  private readonly known = new Map<RuntimeName, WorkerFacts>();
  /** Did not answer since: asked again before the next job. What it had counts until it answers. */
  private readonly doubted = new Set<RuntimeName>();
  private chosen: RuntimeName | undefined;
  /** Of this machine, whether or not a runtime has answered. */
  groups: WorkerFacts['groups'] = 'none';

  constructor(
    private readonly settings: LocalBackendSettings,
    private readonly client: LocalClient,
    private readonly directories: JobDirectories,
  ) {
    for (const { name, engine } of Object.values(RUNTIMES)) {
      if (engine) this.engines.set(name, new CliContainerEngine(name, client, settings.instance));
    }
    this.copies = new ImageCopies(client, directories.images());
    this.chosen = settings.runtime === 'auto' ? undefined : settings.runtime;
  }

  /** `undefined` while `auto` has found none. */
  get current(): RuntimeName | undefined {
    return this.chosen;
  }

  /** `undefined` while the runtime in use has not answered. */
  get facts(): WorkerFacts | undefined {
    return this.chosen === undefined ? undefined : this.known.get(this.chosen);
  }

  get needsMemoryGroup(): boolean {
    return this.facts?.needsMemoryGroup === true;
  }

  async start(): Promise<void> {
    for (const runtime of RUNTIME_NAMES) this.scripts.set(runtime, await this.writeScript(runtime));
    await this.linkLogins();
  }

  /** The runtime in use; throws while there is none that works. */
  async require(signal: AbortSignal): Promise<RuntimeName> {
    const reasons: string[] = [];
    for (const runtime of this.candidates()) {
      const { faults, version } = await this.look(runtime, signal);
      reasons.push(...faults);
      if (faults.length > 0) continue;
      if (this.chosen === undefined) this.settings.log('info', `container runtime: ${runtime} ${version}`, { backend: this.settings.name });
      this.chosen = runtime;
      return runtime;
    }
    throw unusable(reasons);
  }

  private candidates(): readonly RuntimeName[] {
    if (this.chosen !== undefined) return [this.chosen];
    return Object.values(RUNTIMES).flatMap(({ name, isAutomatic }) => (isAutomatic ? [name] : []));
  }

  /** What this machine can do with the runtime of a job; throws while that does not work. */
  async factsOf(runtime: RuntimeName, signal: AbortSignal): Promise<WorkerFacts> {
    const facts = await this.look(runtime, signal);
    if (facts.faults.length > 0) throw unusable(facts.faults);
    return facts;
  }

  private async look(runtime: RuntimeName, signal: AbortSignal): Promise<WorkerFacts> {
    const known = this.doubted.has(runtime) ? undefined : this.known.get(runtime);
    return known ?? (await this.ask(runtime, signal));
  }

  private async ask(runtime: RuntimeName, signal: AbortSignal): Promise<WorkerFacts> {
    const { settings } = this;
    const engine = assignment('ENGINE', RUNTIMES[runtime].engine ? runtime : '');
    const text = ['set -uf\ncd "$1" && shift || exit', engine, ...PROBE_PARTS.map(part), 'probe_machine "$@"'].join('\n');
    const answer = await this.probe(text, probeWords(runtime, settings.instance), signal);
    // Of the cores this process may use fewer than there are.
    const facts = { ...parseProbe(answer ?? '', runtime, 'machine'), cores: availableParallelism() };
    if (answer !== undefined) this.groups = facts.groups;
    if (facts.faults.length > 0) return facts;
    if (RUNTIMES[runtime].engine && facts.init === undefined) settings.log('warn', NO_INIT, { backend: settings.name, runtime });
    this.known.set(runtime, facts);
    this.doubted.delete(runtime);
    return facts;
  }

  /** `undefined` where a shell cannot be started, or takes too long. apptainer's layers are tried out in the directory. */
  private async probe(text: string, words: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    try {
      const directory = await fs.mkdtemp(join(this.directories.scripts, 'probe.'));
      const argv = ['/bin/sh', '-c', text, 'sh', directory, ...words];
      const answer = await this.client
        .command(argv, PROBE_MS, signal)
        .catch(() => undefined)
        .finally(() => removeTree(directory));
      signal.throwIfAborted();
      return answer?.stdout;
    } catch (error) {
      signal.throwIfAborted();
      throw machineError('ask this machine what it has', error);
    }
  }

  /** docker reads logins only from a file of this name. */
  private async linkLogins(): Promise<void> {
    const { authFile } = this.settings.images;
    if (authFile === undefined) return;
    const path = join(this.directories.logins, 'config.json');
    await fs.mkdir(this.directories.logins, { recursive: true, mode: 0o700 });
    await fs.rm(path, { force: true });
    await fs.symlink(resolve(authFile), path);
  }

  /** Path of the script for a runtime. */
  script(runtime: RuntimeName): string {
    const path = this.scripts.get(runtime);
    if (path === undefined) throw new BackendError('the backend has not been started', { retryable: true });
    return path;
  }

  async health(signal: AbortSignal): Promise<BackendHealth> {
    try {
      const runtime = await this.require(signal);
      const answer = await this.client.command(RUNTIMES[runtime].versionCommand, VERSION_MS, signal).catch(() => undefined);
      if (answer?.exitCode === 0) return { ok: true, detail: `${runtime} ${answer.stdout.trim().split(' ').at(-1) ?? ''}` };
      this.doubted.add(runtime);
      signal.throwIfAborted();
      return { ok: false, detail: `${runtime} does not answer` };
    } catch (error) {
      if (error instanceof BackendError) return { ok: false, detail: error.message };
      throw error;
    }
  }

  /** The runtime of a job: its own, or the one in use when nothing is known of it. */
  nameOf(handle: Handle | undefined): RuntimeName | undefined {
    return (handle?.data['runtime'] as RuntimeName | undefined) ?? this.chosen;
  }

  async removeContainers(jobName: string, handle: Handle | undefined, signal: AbortSignal): Promise<void> {
    const runtime = this.nameOf(handle);
    if (runtime !== undefined) await this.engines.get(runtime)?.removeJob(jobName, signal);
  }

  async jobsWithContainers(signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const engine = this.chosen === undefined ? undefined : this.engines.get(this.chosen);
    return engine ? engine.jobNames(signal) : new Map<string, number>();
  }

  /** Named by its content: a script that a shell is reading is never changed under it. */
  private async writeScript(runtime: RuntimeName): Promise<string> {
    const text = scriptFor(runtime);
    const name = `${runtime}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.sh`;
    const path = join(this.directories.scripts, name);
    if (existsNow(path)) return path;
    const temporary = `${path}.${process.pid}`;
    await fs.writeFile(temporary, text, { mode: 0o600 });
    await fs.rename(temporary, path);
    return path;
  }
}

function unusable(reasons: readonly string[]): BackendError {
  return new BackendError('no container runtime answers', { retryable: true, unavailable: true, internal: reasons.join('; ') });
}
