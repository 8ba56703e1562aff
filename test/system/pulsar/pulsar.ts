import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, runScript } from '../engines';
import { endForGood, endNow, processesNaming } from '../server';

/** A real Pulsar on this machine (`start.sh`), which ends by itself with jest. */

/** The process that lives as long as the whole jest run: jest itself, which forks its workers. */
const jestProcess = process.send === undefined ? process.pid : process.ppid;

/** What its one manager is called instead of `_default_`, and how it is reached beside REST, or instead of it. */
export interface PulsarOptions {
  readonly manager?: string;
  readonly broker?: PulsarBroker;
}

/** How a server is reached beside REST, or instead of it. */
export interface PulsarBroker {
  readonly url: string;
  /** What its queues are called instead of `pulsar_`. */
  readonly prefix?: string;
  /** No REST. */
  readonly only?: boolean;
}

/** A server of one's own, to be killed, stopped and started again. Port, token and jobs outlive its end. */
export class OwnPulsar {
  static async start({ broker, manager }: PulsarOptions = {}): Promise<OwnPulsar> {
    const below = join(cacheDirectory, 'pulsar');
    mkdirSync(below, { recursive: true });
    const directory = mkdtempSync(join(below, 'own-'));
    const pulsar = new OwnPulsar(directory, broker, manager);
    await pulsar.startAgain();
    return pulsar;
  }

  url = '';
  token = '';

  private constructor(
    readonly directory: string,
    readonly broker: PulsarBroker | undefined,
    readonly manager: string | undefined,
  ) {}

  get pid(): number {
    return Number(readFileSync(join(this.directory, 'pulsar.pid'), 'utf8'));
  }

  get staging(): string {
    return join(this.directory, 'run', 'staging');
  }

  /** Directories of jobs that are there. */
  jobs(): readonly string[] {
    return existsSync(this.staging) ? readdirSync(this.staging).filter((name) => name.startsWith('tes-')) : [];
  }

  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  async startAgain(): Promise<void> {
    const answer = await runScript('pulsar/start.sh', ['--owner', String(jestProcess), ...this.options(), this.directory]);
    this.url = /^PULSAR_URL=(.*)$/m.exec(answer)?.[1] ?? '';
    this.token = /^PULSAR_TOKEN=(.*)$/m.exec(answer)?.[1] ?? '';
  }

  private options(): readonly string[] {
    const manager = this.manager === undefined ? [] : ['--manager', this.manager];
    if (!this.broker) return manager;
    const { url, prefix, only = false } = this.broker;
    return [...manager, '--broker', url, ...(prefix === undefined ? [] : ['--prefix', prefix]), ...(only ? ['--main'] : [])];
  }

  async stop(): Promise<void> {
    await runScript('pulsar/stop.sh', [this.directory]);
  }

  /** The server and its worker process at once; jobs live on. */
  async kill9(): Promise<void> {
    const all = processesNaming([this.directory]).filter(({ commandLine }) => /pulsar-(serve|main)/.test(commandLine));
    await endForGood(...all.map(({ pid }) => pid));
  }

  async remove(): Promise<void> {
    await this.stop();
    for (const { pid } of processesNaming([this.staging])) endNow(pid);
    if (process.env['TES_GATEWAY_KEEP'] !== undefined) return;
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
