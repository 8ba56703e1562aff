import { BackendError } from '../../../ports/errors';
import type { HostEntry, ReadDirectory } from '../runtimes/host-root';
import type { ScriptHost } from './script-host';
import type { ScriptSettings } from './script.settings';
import { parseEntries, parseProbe, probeWords, readWorkerDirectory, type WorkerFacts } from './worker-facts';
import { stagerFaults } from './worker-staging';
import { RUNTIMES } from '../runtimes/runtimes';

/** What is learnt of the machine on which jobs run, once it answers. */
export class ScriptWorker {
  /** `undefined` until the worker has answered and can carry jobs out. */
  facts: WorkerFacts | undefined;
  /** bubblewrap: the worker's own directories. */
  entries: ReadonlyMap<string, readonly HostEntry[]> | undefined;
  private isFresh = false;

  constructor(
    private readonly host: Pick<ScriptHost, 'run'>,
    private readonly settings: Pick<ScriptSettings, 'runtime' | 'instance' | 'name' | 'stager'>,
  ) {}

  async require(signal: AbortSignal): Promise<{ readonly facts: WorkerFacts; readonly readHost: ReadDirectory }> {
    const facts = this.isFresh && this.facts ? this.facts : await this.ask(signal);
    return { facts, readHost: readWorkerDirectory(this.entries ?? new Map()) };
  }

  /** After it was away it may be another machine: it is asked again, and what it had counts until it answers. */
  doubt(): void {
    this.isFresh = false;
  }

  private async ask(signal: AbortSignal): Promise<WorkerFacts> {
    const { runtime, instance, name } = this.settings;
    const facts = parseProbe((await this.host.run('probe', probeWords(runtime, instance), signal)).toString(), runtime);
    const faults = [...facts.faults, ...(await this.stagerFaults(signal))];
    if (faults.length > 0) {
      throw new BackendError(`no job can run on the worker of ${name}: ${faults.join('; ')}`, { retryable: true, unavailable: true });
    }
    if (RUNTIMES[runtime].showsHost) this.entries = parseEntries((await this.host.run('entries', [], signal)).toString());
    this.facts = facts;
    this.isFresh = true;
    return facts;
  }

  /** One in a container is not started for this: its image may have to be fetched first. */
  private async stagerFaults(signal: AbortSignal): Promise<readonly string[]> {
    const { stager } = this.settings;
    if (!stager || stager.image !== undefined) return [];
    return stagerFaults((await this.host.run('stager', stager.command, signal)).toString());
  }
}
