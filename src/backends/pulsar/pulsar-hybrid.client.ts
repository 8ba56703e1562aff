import { BackendError } from '../../ports/errors';
import type { HostHealth, JobStart } from '../shared/script/script-host';
import { isJobName } from './pulsar-amqp.messages';
import type { PulsarAmqpClient } from './pulsar-amqp.client';
import { PulsarRestClient, type PulsarServer } from './pulsar-rest.client';
import { commandLine } from './pulsar.manifest';

/**
 * A server that is reached both ways: jobs are started and ended over AMQP, files and what became of a job come over REST, and what Pulsar
 * says by itself makes the gateway look sooner.
 */
export class PulsarHybridClient extends PulsarRestClient {
  override readonly traits = { startsWhole: false, observedAtOnce: 4, pollMs: { first: 1000, longest: 20_000 } };

  constructor(
    server: PulsarServer,
    errandScript: string,
    private readonly amqp: PulsarAmqpClient,
  ) {
    super(server, errandScript);
  }

  /** Both ways must be open. */
  override async health(signal: AbortSignal): Promise<HostHealth> {
    const { version } = await super.health(signal);
    return { version, detail: await listening(this.server.name, this.amqp, signal) };
  }

  /**
   * The directory is there already, so the message does not ask for one: a message that is read only after the job was cancelled
   * and cleaned up starts nothing and leaves nothing.
   */
  override async start(id: string, job: JobStart, signal: AbortSignal): Promise<void> {
    await this.lay(id, job, signal);
    await this.amqp.setup({ job_id: id, command_line: commandLine(id) }, signal);
  }

  override stop(id: string, signal: AbortSignal): Promise<void> {
    return this.amqp.kill(id, signal);
  }

  watch(nudge: (id: string) => void, signal: AbortSignal): void {
    watchUpdates(this.amqp, nudge, signal);
  }

  looked(id: string, isOver: boolean): void {
    this.amqp.looked(id, isOver);
  }

  override async close(): Promise<void> {
    await this.amqp.close();
    await super.close();
  }
}

/** For `health`: throws when nobody takes jobs at the broker. */
export async function listening(backend: string, amqp: PulsarAmqpClient, signal: AbortSignal): Promise<string> {
  const { consumers, waiting, strange } = await amqp.health(signal);
  if (consumers === 0) {
    const queued = waiting === 0 ? '' : `, ${waiting} waiting`;
    throw new BackendError(
      `no Pulsar takes jobs from the broker of ${backend}: it is down, or its consumer has died of a message it could not read${queued}`,
      { retryable: true, unavailable: true },
    );
  }
  const parked = strange === 0 ? '' : `, ${strange} unreadable updates since the start`;
  return `AMQP with ${consumers} ${consumers === 1 ? 'consumer' : 'consumers'}${parked}`;
}

export function watchUpdates(amqp: PulsarAmqpClient, nudge: (id: string) => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  const stop = amqp.listen(({ jobId }) => {
    if (isJobName(jobId)) nudge(jobId);
  });
  signal.addEventListener('abort', stop, { once: true });
  amqp.connect();
}
