import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ChannelModel, ConfirmChannel, ConsumeMessage, Message, RecoveringChannelModel } from 'amqplib';
import { BackendError } from '../../ports/errors';
import { errorCode } from '../shared/workspace-errors';
import { EXCHANGE, isJobName, JSON_TYPE, parseUpdate, queueNames, type QueueNames, type Update } from './pulsar-amqp.messages';
import type { LogLevel } from '../../ports/adapter';
import { within } from '../../ports/within';

const RECONNECT = { initialDelay: 200, factor: 2, maxDelay: 15_000, jitter: 0.5 };
const HEARTBEAT_SECONDS = 20;
/** A call waits so long for a connection that is just being made. */
const CONNECT_MS = 10_000;
const CONFIRM_MS = 15_000;
const CHECK_MS = 10_000;
/** A question that was not read by then has been asked again. */
const ASKED_MS = 15_000;
const HELD_MS = 60_000;
const MOST_HELD = 1000;
const SHORT_PAUSE_MS = 50;
/** What is parked is for somebody to look at, not an archive. */
const PARKED = { 'x-max-length': 200, 'x-max-length-bytes': 16 << 20, 'x-message-ttl': 7 * 24 * 3600_000 };
const MOST_PARKED_BYTES = 1 << 20;

export interface AmqpServer {
  /** Of the backend. */
  readonly name: string;
  /** With user and password: never shown. */
  readonly amqpUrl: string;
  readonly amqpKeyPrefix?: string;
  readonly manager?: string;
  readonly log: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
}

export type JobUpdate = Extract<Update, { kind: 'update' }>;

interface Held {
  readonly at: number;
  readonly channel: ConfirmChannel;
  readonly message: Message;
  isLooked: boolean;
}

/**
 * Control over AMQP: Pulsar's exchange and queues under its own names, made before anything is sent, because what Pulsar says into a queue
 * that is not there is gone. Everything sent is confirmed by the broker and goes into a queue. An update is kept at the broker until
 * the job was dealt with; what cannot be read is parked or dropped, and counted, never put back. Reconnects for ever.
 */
export class PulsarAmqpClient {
  private readonly queues: QueueNames;
  private connection: Promise<RecoveringChannelModel> | undefined;
  private channel: ConfirmChannel | undefined;
  private fault: string | undefined;
  private isClosed = false;
  private readonly listeners = new Set<(update: JobUpdate) => void>();
  private readonly held = new Map<string, Held[]>();
  private heldCount = 0;
  /** Messages that the broker gave back: they went into no queue. */
  private readonly returned = new Set<string>();
  private strange = 0;
  /** Messages that were waiting when this connection began. */
  private backlog = 0;

  constructor(private readonly server: AmqpServer) {
    this.queues = queueNames(server.manager, server.amqpKeyPrefix);
  }

  /** Called with every update that can be read, also of jobs that nobody here knows. */
  listen(listener: (update: JobUpdate) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Connects, if nothing has yet; what Pulsar said meanwhile comes then. */
  connect(): void {
    if (this.isClosed) return;
    if (this.connection) return;
    const connection = (this.connection = this.recovering());
    connection.catch((error: unknown) => {
      // It did not get so far as to try by itself: the next who asks does.
      if (this.connection === connection) this.connection = undefined;
      this.away(error);
    });
  }

  /** `expireMs`: after which nobody waits for it any more. */
  async setup(
    message: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    { expireMs }: { readonly expireMs?: number } = {},
  ): Promise<void> {
    await this.publish(this.queues.setup, message, signal, expireMs);
  }

  async kill(id: string, signal: AbortSignal): Promise<void> {
    await this.publish(this.queues.kill, { job_id: id }, signal);
  }

  /** The answer is an update. */
  async askStatus(id: string, signal: AbortSignal): Promise<void> {
    await this.publish(this.queues.status, { job_id: id }, signal, ASKED_MS);
  }

  /** Acknowledges what came before the last look at the job, or all of it. */
  looked(id: string, isOver: boolean): void {
    const deliveries = this.held.get(id);
    if (!deliveries) return;
    const left = isOver ? [] : deliveries.filter((delivery) => !delivery.isLooked);
    for (const delivery of deliveries)
      if (!left.includes(delivery) && delivery.channel === this.channel) delivery.channel.ack(delivery.message);
    for (const delivery of left) delivery.isLooked = true;
    this.heldCount -= deliveries.length - left.length;
    if (left.length === 0) this.held.delete(id);
    else this.held.set(id, left);
  }

  /** Who takes the jobs, and how many wait. Nobody there is a Pulsar that is down, or whose consumer has died of a message. */
  async health(signal: AbortSignal): Promise<{ readonly consumers: number; readonly waiting: number; readonly strange: number }> {
    const channel = await this.ready(signal);
    const { consumerCount, messageCount } = await this.within(signal, CHECK_MS, channel.checkQueue(this.queues.setup));
    return { consumers: consumerCount, waiting: messageCount, strange: this.strange };
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.channel = undefined;
    const connection = await this.connection?.catch(() => undefined);
    await connection?.close().catch(() => undefined);
  }

  private async recovering(): Promise<RecoveringChannelModel> {
    // Only where it is used: most gateways never load it.
    const { connect } = await import('amqplib');
    const url = new URL(this.server.amqpUrl);
    if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(HEARTBEAT_SECONDS));
    const connection = await connect(url.href, {
      timeout: CONNECT_MS,
      recovery: { ...RECONNECT, waitForConnect: false, setup: (model: ChannelModel) => this.begin(model) },
    });
    connection.on('error', () => undefined);
    connection.on('handler-error', (error) => this.tell('error', 'an AMQP listener failed', { error: String(error) }));
    connection.on('connect-failed', (error: Error) => this.away(error));
    connection.on('disconnect', (error: Error) => this.away(error));
    connection.on('connect', () => {
      this.fault = undefined;
      this.tell('info', 'connected to the broker', {});
    });
    return connection;
  }

  /** Once for each connection: queues, then whoever listens to them. */
  private async begin(model: ChannelModel): Promise<void> {
    model.on('error', () => undefined);
    const channel = await model.createConfirmChannel();
    channel.on('error', (error) => {
      this.fault = nameOf(error);
    });
    channel.on('return', (message: Message) => this.returned.add(String(message.properties.messageId)));
    channel.on('close', () => {
      if (this.channel !== channel) return;
      this.channel = undefined;
      // A connection without its channel is of no use: made anew, everything is declared again.
      model.close().catch(() => undefined);
    });
    const { setup, kill, status, updates, parked } = this.queues;
    await channel.assertExchange(EXCHANGE, 'direct', { durable: true });
    for (const queue of [setup, kill, status, updates]) {
      await channel.assertQueue(queue, { durable: true });
      await channel.bindQueue(queue, EXCHANGE, queue);
    }
    await channel.assertQueue(parked, { durable: true, arguments: PARKED });
    await channel.prefetch(2 * MOST_HELD);
    this.held.clear();
    this.heldCount = 0;
    this.channel = channel;
    // Of a queue that several gateways read each gets a part; in one of its own, which lives as long as the connection, each hears everything.
    const { queue: own } = await channel.assertQueue('', { exclusive: true, autoDelete: true, durable: false });
    await channel.bindQueue(own, EXCHANGE, updates);
    await channel.consume(own, (message) => this.hear(message, model), { noAck: true });
    this.backlog = (await channel.checkQueue(updates)).messageCount;
    await channel.consume(updates, (message) => this.keep(channel, message, model));
  }

  private hear(message: ConsumeMessage | null, model: ChannelModel): void {
    const update = this.read(message, model);
    if (update?.kind === 'update') this.spread(update);
  }

  private keep(channel: ConfirmChannel, message: ConsumeMessage | null, model: ChannelModel): void {
    const update = this.read(message, model);
    if (!update || !message) return;
    // What came while nobody listened, or was given to a gateway that has gone, was not heard in the queue of our own.
    const isUnheard = this.backlog > 0 || message.fields.redelivered;
    this.backlog = Math.max(0, this.backlog - 1);
    if (update.kind === 'strange') {
      this.park(channel, message, update.what);
      return;
    }
    if (update.acknowledge) this.acknowledge(channel, update.acknowledge);
    if (isJobName(update.jobId)) this.hold(channel, message, update.jobId);
    else channel.ack(message);
    if (isUnheard) this.spread(update);
  }

  private read(message: ConsumeMessage | null, model: ChannelModel): Update | undefined {
    if (message) return parseUpdate(message.content, message.properties.contentType, message.properties.headers?.['compression']);
    // The queue was taken away: a new connection makes it again.
    model.close().catch(() => undefined);
    return undefined;
  }

  private spread(update: JobUpdate): void {
    for (const listener of [...this.listeners]) listener(update);
  }

  /** Until the job is dealt with, or, for one that nobody here deals with, for a minute. */
  private hold(channel: ConfirmChannel, message: Message, id: string): void {
    const now = performance.now();
    for (const [other, [first]] of this.held) {
      if (this.heldCount < MOST_HELD && first && now - first.at < HELD_MS) break;
      this.looked(other, true);
    }
    const deliveries = this.held.get(id);
    const delivery: Held = { at: now, channel, message, isLooked: false };
    if (deliveries) deliveries.push(delivery);
    else this.held.set(id, [delivery]);
    this.heldCount += 1;
  }

  /** Nobody can read it, so nobody shall be given it again. */
  private park(channel: ConfirmChannel, message: Message, what: string): void {
    this.strange += 1;
    const isKept = message.content.length <= MOST_PARKED_BYTES;
    this.tell('warn', `an update of Pulsar is ${what}: ${isKept ? 'parked' : 'dropped'}`, {
      queue: this.queues.parked,
      count: this.strange,
    });
    if (!isKept) {
      channel.ack(message);
      return;
    }
    const options = { persistent: true, headers: { 'tes-gateway': what, 'content-type': String(message.properties.contentType) } };
    channel.sendToQueue(this.queues.parked, message.content, options, (error: unknown) => {
      if ((error === null || error === undefined) && this.channel === channel) channel.ack(message);
    });
  }

  private acknowledge(channel: ConfirmChannel, { uuid, queue }: { readonly uuid: string; readonly queue: string }): void {
    const body = Buffer.from(JSON.stringify({ acknowledge_uuid_response: uuid }));
    channel.publish(EXCHANGE, `${this.queues.prefix}_${queue}`, body, PROPERTIES);
  }

  private async publish(queue: string, body: Readonly<Record<string, unknown>>, signal: AbortSignal, expireMs?: number): Promise<void> {
    const channel = await this.ready(signal);
    const messageId = randomUUID();
    const options = { ...PROPERTIES, mandatory: true, messageId, ...(expireMs !== undefined && { expiration: String(expireMs) }) };
    const confirmed = new Promise<void>((resolve, reject) => {
      channel.publish(EXCHANGE, queue, Buffer.from(JSON.stringify(body)), options, (error: unknown) => {
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error('refused by the broker'));
      });
    });
    await this.within(signal, CONFIRM_MS, confirmed);
    if (!this.returned.delete(messageId)) return;
    // Somebody has deleted the queue; the next connection makes it again.
    channel.close().catch(() => undefined);
    throw this.unavailable('has lost a queue of Pulsar, which is made again');
  }

  private async ready(signal: AbortSignal): Promise<ConfirmChannel> {
    signal.throwIfAborted();
    if (this.isClosed) throw this.unavailable('is not used any more');
    this.connect();
    const until = performance.now() + CONNECT_MS;
    while (!this.channel) {
      if (this.fault !== undefined || performance.now() > until) throw this.unavailable(`cannot be reached (${this.fault ?? 'ETIMEDOUT'})`);
      await pause(SHORT_PAUSE_MS, undefined, { signal });
    }
    return this.channel;
  }

  private async within<T>(signal: AbortSignal, ms: number, work: Promise<T>): Promise<T> {
    work.catch(() => undefined);
    const abortOf = (limited: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => {
        limited.throwIfAborted();
        limited.addEventListener('abort', () => reject(limited.reason as Error), { once: true });
      });
    try {
      return await within(signal, ms, (limited) => Promise.race([work, abortOf(limited)]));
    } catch (error) {
      if (signal.aborted && !isTimeout(signal.reason)) throw signal.reason;
      throw this.unavailable(isTimeout(error) ? 'does not answer' : `broke off (${nameOf(error)})`);
    }
  }

  private away(error: unknown): void {
    const fault = nameOf(error);
    if (this.isClosed) return;
    if (fault !== this.fault) this.tell('warn', 'the broker cannot be reached', { fault });
    this.fault = fault;
    this.channel = undefined;
  }

  private unavailable(what: string): BackendError {
    return new BackendError(`the AMQP broker of ${this.server.name} ${what}`, { retryable: true, unavailable: true });
  }

  private tell(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.server.log(level, message, { backend: this.server.name, ...fields });
  }
}

const PROPERTIES = { contentType: JSON_TYPE, contentEncoding: 'utf-8', deliveryMode: 2 };

const isTimeout = (error: unknown): boolean => error instanceof DOMException && error.name === 'TimeoutError';

/** Codes and the broker's own reply, never a whole message: that may hold the address, and with it the password. */
function nameOf(error: unknown): string {
  const code: unknown = errorCode(error) ?? (error as { code?: unknown } | undefined)?.code;
  const reply = /(ACCESS_REFUSED|NOT_FOUND|PRECONDITION_FAILED|RESOURCE_LOCKED|NOT_ALLOWED|CONNECTION_FORCED|\bE[A-Z]{4,}\b)/.exec(
    String(error),
  )?.[1];
  return reply ?? (typeof code === 'string' || typeof code === 'number' ? String(code) : 'broken off');
}
