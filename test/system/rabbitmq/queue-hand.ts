import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';

/** A hand of a test's own in a broker's queues: sends what Pulsar never would, and takes messages away. */
export class QueueHand {
  static async at(url: string): Promise<QueueHand> {
    const connection = await connect(url);
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    return new QueueHand(connection, channel);
  }

  private constructor(
    private readonly connection: ChannelModel,
    private readonly channel: ConfirmChannel,
  ) {}

  async send(queue: string, content: Buffer | object, contentType: string | undefined = 'application/json'): Promise<void> {
    const body = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    this.channel.publish('pulsar', queue, body, { persistent: true, contentType });
    await this.channel.waitForConfirms();
  }

  async count(queue: string): Promise<{ readonly messages: number; readonly consumers: number }> {
    const { messageCount, consumerCount } = await this.channel.checkQueue(queue);
    return { messages: messageCount, consumers: consumerCount };
  }

  /** Takes away every waiting message of this type; the others stay. */
  async takeAway(queue: string, contentType: string): Promise<number> {
    let taken = 0;
    const others = [];
    for (;;) {
      const message = await this.channel.get(queue);
      if (message === false) break;
      if (message.properties.contentType === contentType) {
        this.channel.ack(message);
        taken += 1;
      } else others.push(message);
    }
    for (const message of others) this.channel.nack(message, false, true);
    return taken;
  }

  async close(): Promise<void> {
    await this.connection.close().catch(() => undefined);
  }
}
