import { randomBytes } from 'node:crypto';
import { BackendError } from '../../ports/errors';
import { within } from '../../ports/within';
import { FACTS_FILE } from '../shared/job-facts';
import type { HostFile, HostHealth, HostStatus, JobStart, ReadFile, ScriptHost, Verb } from '../shared/script/script-host';
import { REPORT } from '../shared/script/script-manifest';
import { parseReport } from '../shared/script/script-report';
import type { AmqpErrands } from './amqp-errands';
import { jobBundle, TOLD_FACTS, TOLD_REPORT } from './pulsar-amqp.bundle';
import type { JobUpdate, PulsarAmqpClient } from './pulsar-amqp.client';
import { isJobName, messageFile } from './pulsar-amqp.messages';
import { pauseFor, titleOf } from './pulsar-faults';
import { listening, watchUpdates } from './pulsar-hybrid.client';
import { commandLine, metadataFile, metadataName, placesOf, scriptFile } from './pulsar.manifest';
import { statusOf } from './pulsar.states';
import { ReadBatches } from './read-batches';

const STATUS_MS = 15_000;
const ASK_AGAIN_MS = 4000;
/** Last reports that came by themselves, until their jobs are cleaned up. */
const KEPT_BYTES = 64 << 20;
const FACTS = `plan/${FACTS_FILE}`;

/**
 * A server to which nothing but a broker leads. A job travels whole in its one message; what an interface for files would do is done by
 * errands, of which one reads for everybody who asks at the time; the script's last report comes with Pulsar's last update.
 */
export class PulsarBrokerClient implements ScriptHost {
  readonly title: string;
  /** One errand looks for all. */
  readonly traits = { startsWhole: true, observedAtOnce: 200, pollMs: { first: 2000, longest: 30_000 } };
  readonly placesOf = placesOf;
  private readonly asking = new Map<string, Set<(status: HostStatus) => void>>();
  private readonly told = new Map<string, ReadonlyMap<string, Buffer>>();
  private toldBytes = 0;
  private readonly reads: ReadBatches;

  constructor(
    private readonly backend: string,
    private readonly amqp: PulsarAmqpClient,
    private readonly errands: AmqpErrands,
  ) {
    this.title = titleOf(backend);
    this.reads = new ReadBatches(errands);
    amqp.listen((update) => this.hear(update));
  }

  async health(signal: AbortSignal): Promise<HostHealth> {
    const detail = await listening(this.backend, this.amqp, signal);
    return { version: `Pulsar ${this.errands.version ?? 'of unknown version'}`, detail };
  }

  async make(id: string, signal: AbortSignal): Promise<string> {
    if (this.errands.stagingRoot === undefined) await this.errands.run('look', [id], signal);
    return `${this.errands.stagingRoot ?? ''}/${id}`;
  }

  async put(id: string, files: readonly HostFile[], signal: AbortSignal): Promise<void> {
    const words = files.flatMap(({ name, content }) => [metadataName(name), content.toString('base64')]);
    const answer = (await this.errands.run('write', [id, ...words], signal)).toString().trim();
    if (answer !== 'written')
      throw new BackendError(`a file cannot be written on the worker of ${this.backend}: is its disk full?`, { retryable: true });
  }

  async start(id: string, job: JobStart, signal: AbortSignal): Promise<void> {
    const name = `job-${randomBytes(6).toString('hex')}.sh`;
    const told = [TOLD_REPORT, TOLD_FACTS].map((path) => ({ path, type: 'galaxy' }));
    const parts = {
      files: [...job.files.map(metadataFile), scriptFile(job.script)],
      first: job.first.map(metadataFile),
      commandLine: commandLine(id),
    };
    const launch = { job_id: id, setup: true, command_line: `sh ../tool_files/${name}`, dynamic_file_sources: told };
    const kept = JSON.stringify({ ...LAUNCH_CONFIG, command_line: launch.command_line, dynamic_file_sources: told });
    const bundle = jobBundle(name, parts, kept, { report: metadataName(REPORT), facts: metadataName(FACTS) });
    await this.amqp.setup({ ...launch, remote_staging: { setup: [messageFile(name, bundle)] } }, signal);
  }

  async status(id: string, signal: AbortSignal): Promise<HostStatus> {
    const done = new AbortController();
    let hear: ((status: HostStatus) => void) | undefined;
    const answer = new Promise<HostStatus>((resolve) => {
      hear = resolve;
      const others = this.asking.get(id) ?? new Set();
      this.asking.set(id, others.add(resolve));
    });
    try {
      return await within(signal, STATUS_MS, (limited) => Promise.race([answer, this.ask(id, AbortSignal.any([limited, done.signal]))]));
    } finally {
      done.abort();
      const others = this.asking.get(id);
      if (hear) others?.delete(hear);
      if (others?.size === 0) this.asking.delete(id);
    }
  }

  stop(id: string, signal: AbortSignal): Promise<void> {
    return this.amqp.kill(id, signal);
  }

  async remove(id: string, signal: AbortSignal): Promise<void> {
    await this.errands.run('remove', [id], signal);
    this.drop(id);
  }

  async get(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<ReadFile | undefined> {
    const bytes = this.told.get(id)?.get(name) ?? (await this.reads.read(id, metadataName(name), mostBytes, signal));
    if (!bytes) return undefined;
    if (bytes.length > mostBytes)
      throw new BackendError(`a file of a job on ${this.backend} is longer than ${mostBytes} bytes`, { retryable: true });
    return { bytes, hostTime: Date.now() + this.errands.skewMs };
  }

  part(id: string, name: string, offset: number, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    return this.errands.run('part', [id, metadataName(name), String(offset), String(maxBytes)], signal);
  }

  run(verb: Verb, words: readonly string[], signal: AbortSignal): Promise<Buffer> {
    return this.errands.run(verb, words, signal);
  }

  watch(nudge: (id: string) => void, signal: AbortSignal): void {
    watchUpdates(this.amqp, nudge, signal);
  }

  looked(id: string, isOver: boolean): void {
    this.amqp.looked(id, isOver);
    if (isOver) this.drop(id);
  }

  close(): Promise<void> {
    return this.amqp.close();
  }

  private async ask(id: string, signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.amqp.askStatus(id, signal);
      await pauseFor(ASK_AGAIN_MS, `the Pulsar server of ${this.backend} does not answer through its broker`, signal);
    }
  }

  private hear(update: JobUpdate): void {
    for (const resolve of this.asking.get(update.jobId) ?? []) resolve(statusOf(update.status));
    const [report, facts] = [update.told.get(TOLD_REPORT), update.told.get(TOLD_FACTS)];
    if (report === undefined || facts === undefined || !isJobName(update.jobId) || this.told.has(update.jobId)) return;
    const bytes = Buffer.from(report, 'base64');
    const parsed = parseReport(bytes);
    // Only a last word is one that does not change any more.
    if (parsed.kind !== 'report' || parsed.report.progress.ending === undefined) return;
    this.told.set(
      update.jobId,
      new Map([
        [REPORT, bytes],
        [FACTS, Buffer.from(facts, 'base64')],
      ]),
    );
    this.toldBytes += bytes.length;
    for (const oldest of this.told.keys()) {
      if (this.toldBytes <= KEPT_BYTES) break;
      this.drop(oldest);
    }
  }

  private drop(id: string): void {
    this.toldBytes -= this.told.get(id)?.get(REPORT)?.length ?? 0;
    this.told.delete(id);
  }
}

/** What Pulsar keeps of a message, without the files in it. */
const LAUNCH_CONFIG = {
  remote_staging: {},
  dependencies_description: null,
  submit_params: {},
  env: [],
  setup_params: {},
  token_endpoint: null,
};
