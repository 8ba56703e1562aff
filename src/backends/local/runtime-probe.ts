import type { BackendHealth } from '../../ports/execution-backend';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { RUNTIMES } from '../shared/runtimes/runtimes';
import type { ContainerEngine } from './container-engine';
import type { LocalClient } from './local.client';

const PROBE_TIMEOUT_MS = 10_000;

export interface FoundRuntime {
  readonly runtime: RuntimeName;
  readonly version: string;
}

/** Finds out which runtime is there. Asked at the start and, while there is none, again with every look at the health. */
export class RuntimeProbe {
  constructor(
    private readonly wanted: 'auto' | RuntimeName,
    private readonly client: LocalClient,
    private readonly engines: ReadonlyMap<RuntimeName, ContainerEngine>,
  ) {}

  /** `undefined`: none answers; `reasons` says what each said. */
  async find(signal: AbortSignal): Promise<{ found?: FoundRuntime; reasons: readonly string[] }> {
    const reasons: string[] = [];
    const candidates: readonly RuntimeName[] =
      this.wanted === 'auto' ? Object.values(RUNTIMES).flatMap(({ name, isAutomatic }) => (isAutomatic ? [name] : [])) : [this.wanted];
    for (const runtime of candidates) {
      try {
        return { found: { runtime, version: await this.version(runtime, signal) }, reasons };
      } catch (error) {
        signal.throwIfAborted();
        reasons.push(`${runtime}: ${error instanceof Error ? error.message.split('\n')[0] : 'no answer'}`);
      }
    }
    return { reasons };
  }

  async health(runtime: RuntimeName, signal: AbortSignal): Promise<BackendHealth> {
    try {
      return { ok: true, detail: `${runtime} ${await this.version(runtime, signal)}` };
    } catch {
      signal.throwIfAborted();
      return { ok: false, detail: `${runtime} does not answer` };
    }
  }

  private async version(runtime: RuntimeName, signal: AbortSignal): Promise<string> {
    const engine = this.engines.get(runtime);
    if (engine) return engine.version(signal);
    const result = await this.client.command(RUNTIMES[runtime].versionCommand, PROBE_TIMEOUT_MS, signal);
    if (result.exitCode !== 0) throw new Error(result.stderr.trim() || `exit code ${result.exitCode}`);
    return result.stdout.trim().split(' ').at(-1) ?? '';
  }
}
