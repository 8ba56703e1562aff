import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join, resolve } from 'node:path';
import { BackendError } from '../../ports/errors';
import type { BackendHealth } from '../../ports/execution-backend';
import type { Handle } from '../../task/task-record';
import { part, scriptFor } from '../shared/job-script';
import { type Init, INIT_PATHS } from '../shared/runtimes/init';
import { RUNTIME_NAMES, type RuntimeName } from '../shared/runtimes/runtime';
import type { EngineTraits } from '../shared/runtimes/record';
import { RUNTIMES } from '../shared/runtimes/runtimes';
import type { ContainerEngine } from './container-engine';
import { CliContainerEngine } from './cli-container-engine';
import { ImageCopies } from './image-copies';
import { ImageFiles } from './image-files';
import { KnownImages } from './known-images';
import { existsNow } from '../shared/small-files';
import type { JobDirectories } from './job-directories';
import type { CommandResult, LocalClient } from './local.client';
import type { LocalBackendSettings } from './local.settings';
import { RuntimeProbe } from './runtime-probe';

const ENGINE_MS = 30_000;
const NO_INIT =
  'containers have no init: a program that gets or sends itself a signal may not hear it, and a cancel waits for the grace (install catatonit, or docker-init)';

/** The runtime in use, the engines behind jobs that another one started, and the scripts. */
export class Runtimes {
  readonly images: ImageFiles;
  readonly copies: ImageCopies;
  readonly knownImages = new KnownImages();
  private readonly engines = new Map<RuntimeName, ContainerEngine>();
  private readonly probe: RuntimeProbe;
  private readonly inits = new Map<RuntimeName, Init | undefined>();
  private readonly scripts = new Map<RuntimeName, string>();
  /** podman with cgroups version 1 and no systemd: see `JobCgroups.createParent`. */
  needsMemoryGroup = false;
  /** docker and podman: what they say of the limits that they can enforce. */
  engineLimits: string | undefined;
  /** apptainer: a writable layer over an image works here (root; or a user with overlay mounts of their own). */
  overlay = false;
  private chosen: RuntimeName | undefined;
  private reasons: readonly string[] = [];

  constructor(
    private readonly settings: LocalBackendSettings,
    private readonly client: LocalClient,
    private readonly directories: JobDirectories,
  ) {
    this.images = new ImageFiles(settings.images);
    for (const { name, engine } of Object.values(RUNTIMES)) {
      if (engine) this.engines.set(name, new CliContainerEngine(name, engine.versionFormat, client, settings.instance));
    }
    this.copies = new ImageCopies(directories, this.engines);
    this.probe = new RuntimeProbe(settings.runtime, client, this.engines);
    this.chosen = settings.runtime === 'auto' ? undefined : settings.runtime;
  }

  /** `undefined` while `auto` has found none. */
  get current(): RuntimeName | undefined {
    return this.chosen;
  }

  async start(signal: AbortSignal): Promise<void> {
    for (const runtime of RUNTIME_NAMES) this.scripts.set(runtime, await this.writeScript(runtime));
    await this.linkLogins();
    await this.choose(signal);
    if (this.settings.runtime !== 'auto') await this.lookCloser(signal);
  }

  /** What else matters of the runtime that was chosen. */
  private async lookCloser(signal: AbortSignal): Promise<void> {
    if (this.chosen === undefined) return;
    const { name, engine, layersImages } = RUNTIMES[this.chosen];
    if (engine) await Promise.all([this.lookAtMemoryGroup(name, engine, signal), this.lookAtLimits(name, engine, signal)]);
    if (layersImages) this.overlay = await this.tryOverlay(signal);
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

  private async tryOverlay(signal: AbortSignal): Promise<boolean> {
    const directory = join(this.directories.scripts, 'overlay');
    await fs.mkdir(directory, { recursive: true });
    const argv = ['/bin/sh', '-c', `cd "$1" || exit\n${part('runtimes/overlay.sh')}\ntry_overlay`, 'sh', directory];
    const answer = await this.client.command(argv, ENGINE_MS, signal).catch(() => undefined);
    await fs.rm(directory, { recursive: true, force: true });
    return answer?.stdout.trim() === 'yes';
  }

  private async lookAtMemoryGroup(name: RuntimeName, { memoryGroup }: EngineTraits, signal: AbortSignal): Promise<void> {
    if (!memoryGroup || process.getuid?.() !== 0) return;
    const answer = await this.info(name, memoryGroup.format, signal);
    this.needsMemoryGroup = answer?.stdout.trim() === memoryGroup.answer;
  }

  private async lookAtLimits(name: RuntimeName, engine: EngineTraits, signal: AbortSignal): Promise<void> {
    this.engineLimits = engine.limitsSaid((await this.info(name, engine.limitsFormat, signal))?.stdout ?? '');
  }

  private async info(name: RuntimeName, format: string, signal: AbortSignal): Promise<CommandResult | undefined> {
    return this.client.command([name, 'info', '--format', format], ENGINE_MS, signal).catch(() => undefined);
  }

  /** For its containers; looked for once an engine answers. `undefined` where there is none, or where the engine does not say. */
  async initOf(runtime: RuntimeName): Promise<Init | undefined> {
    const { engine } = RUNTIMES[runtime];
    if (!engine) return undefined;
    if (this.inits.has(runtime)) return this.inits.get(runtime);
    const { initFormat } = engine;
    const said = initFormat === undefined ? (INIT_PATHS.find(existsNow) ?? '') : await this.askForInit(runtime, initFormat);
    if (said === undefined) return undefined;
    const init = engine.initOf(said);
    this.inits.set(runtime, init);
    if (init === undefined) this.settings.log('warn', NO_INIT, { backend: this.settings.name, runtime });
    return init;
  }

  /** `undefined`: the engine does not answer. */
  private async askForInit(runtime: RuntimeName, format: string): Promise<string | undefined> {
    const answer = await this.info(runtime, `{{.ServerVersion}} ${format}`, AbortSignal.timeout(ENGINE_MS));
    // Of a daemon that is away some clients say nothing, and end with 0.
    const [, version, init] = /^(\S+) (.*)$/.exec(answer?.exitCode === 0 ? answer.stdout.trimEnd() + ' ' : '') ?? [];
    return version === undefined ? undefined : (init ?? '');
  }

  /** Path of the script for a runtime. */
  script(runtime: RuntimeName): string {
    const path = this.scripts.get(runtime);
    if (path === undefined) throw new BackendError('the backend has not been started', { retryable: true });
    return path;
  }

  async require(signal: AbortSignal): Promise<RuntimeName> {
    await this.choose(signal);
    if (this.chosen !== undefined) return this.chosen;
    const reason = this.reasons.join('; ');
    throw new BackendError('no container runtime answers', { retryable: true, unavailable: true, internal: reason });
  }

  async health(signal: AbortSignal): Promise<BackendHealth> {
    await this.choose(signal);
    if (this.chosen === undefined) return { ok: false, detail: `no container runtime answers (${this.reasons.join('; ')})` };
    return this.probe.health(this.chosen, signal);
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

  private async choose(signal: AbortSignal): Promise<void> {
    if (this.chosen !== undefined) return;
    const { found, reasons } = await this.probe.find(signal);
    this.reasons = reasons;
    if (!found) return;
    this.chosen = found.runtime;
    await this.lookCloser(signal);
    this.settings.log('info', `container runtime: ${found.runtime} ${found.version}`, { backend: this.settings.name });
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
