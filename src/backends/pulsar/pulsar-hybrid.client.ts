import type { Readable } from 'node:stream';
import { BackendError } from '../../ports/errors';
import { isJobName } from './pulsar-amqp.messages';
import type { PulsarAmqpClient } from './pulsar-amqp.client';
import type { JobStart, PlacedFile, PlaceType, PulsarClient, PulsarTransfers, RemoteFile, ServerHealth } from './pulsar-client';
import type { PulsarRestClient } from './pulsar-rest.client';

/**
 * A server that is reached both ways: jobs are started and ended over AMQP, files and what became of a job come over REST, and what Pulsar
 * says by itself makes the gateway look sooner.
 */
export class PulsarHybridClient implements PulsarClient, PulsarTransfers {
  readonly startsWhole = false;

  constructor(
    private readonly backend: string,
    private readonly rest: PulsarRestClient,
    private readonly amqp: PulsarAmqpClient,
  ) {}

  /** Both ways must be open. */
  async health(signal: AbortSignal): Promise<ServerHealth> {
    const { version } = await this.rest.health(signal);
    return { version, detail: await listening(this.backend, this.amqp, signal) };
  }

  setup(id: string, signal: AbortSignal): Promise<string> {
    return this.rest.setup(id, signal);
  }

  place(id: string, files: readonly PlacedFile[], signal: AbortSignal): Promise<void> {
    return this.rest.place(id, files, signal);
  }

  /**
   * The directory is there already, so the message does not ask for one: a message that is read only after the job was cancelled
   * and cleaned up starts nothing and leaves nothing.
   */
  async start(id: string, { files, commandLine }: JobStart, signal: AbortSignal): Promise<void> {
    await this.rest.placeAll(id, files, signal);
    await this.amqp.setup({ job_id: id, command_line: commandLine }, signal);
  }

  status(id: string, signal: AbortSignal): Promise<string | null> {
    return this.rest.status(id, signal);
  }

  cancel(id: string, signal: AbortSignal): Promise<void> {
    return this.amqp.kill(id, signal);
  }

  remove(id: string, signal: AbortSignal): Promise<void> {
    return this.rest.remove(id, signal);
  }

  get(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<RemoteFile | undefined> {
    return this.rest.get(id, name, mostBytes, signal);
  }

  part(id: string, name: string, offset: number, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    return this.rest.part(id, name, offset, maxBytes, signal);
  }

  send(id: string, type: PlaceType, name: string, content: Readable, signal: AbortSignal): Promise<void> {
    return this.rest.send(id, type, name, content, signal);
  }

  open(id: string, name: string, signal: AbortSignal): Promise<Readable | undefined> {
    return this.rest.open(id, name, signal);
  }

  watch(nudge: (id: string) => void, signal: AbortSignal): void {
    watchUpdates(this.amqp, nudge, signal);
  }

  looked(id: string, isOver: boolean): void {
    this.amqp.looked(id, isOver);
  }

  async close(): Promise<void> {
    await this.amqp.close();
    await this.rest.close();
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
