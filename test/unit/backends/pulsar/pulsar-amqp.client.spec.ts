import { PulsarAmqpClient } from '../../../../src/backends/pulsar/pulsar-amqp.client';

const never = new AbortController().signal;

describe('a broker that cannot be connected to', () => {
  const warnings: string[] = [];
  let client: PulsarAmqpClient;
  const clientOf = (amqpUrl: string): PulsarAmqpClient =>
    new PulsarAmqpClient({ name: 'far', amqpUrl, log: (_level, message, fields) => warnings.push(`${message} ${JSON.stringify(fields)}`) });
  afterEach(async () => {
    warnings.length = 0;
  });

  it('is said with its code, also when it fails before anything was tried, and is asked for again', async () => {
    client = clientOf('amqp://user:secret@[broken');
    for (let time = 0; time < 2; time += 1) {
      await expect(client.health(never)).rejects.toMatchObject({
        publicMessage: 'the AMQP broker of far cannot be reached (ERR_INVALID_URL)',
        unavailable: true,
      });
    }
    expect(warnings).toEqual(['the broker cannot be reached {"backend":"far","fault":"ERR_INVALID_URL"}']);
  });
});
