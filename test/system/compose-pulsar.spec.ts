import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Composed, describeComposed } from './compose/composed';
import { TesClient, eventually } from './tes-client';

const IMAGE = 'localhost/busybox:latest';
/** As the README has it. */
const BACKENDS =
  '[{name: pulsar, type: pulsar, url: http://pulsar:8913, token_file: /run/secrets/pulsar_token, runtime: docker, slots: 4}, ' +
  '{name: amqp, type: pulsar, url: http://pulsar-amqp:8913, token_file: /run/secrets/pulsar_token, amqp_url_file: /run/secrets/amqp_url, runtime: docker, slots: 4}]';

describeComposed('Pulsar, over REST and with RabbitMQ', () => {
  let composed: Composed;
  let url: string;
  let gateway: TesClient;

  const on = (backend: string) => ({ resources: { cpu_cores: 1, ram_gb: 0.1, backend_parameters: { backend } } });
  const jobs = (): Promise<string> => composed.docker('ps', '-aq', '--filter', 'label=tes-gateway.job');

  beforeAll(async () => {
    composed = await Composed.prepare();
    await composed.build(['gateway', 'pulsar']);
    appendFileSync(join(composed.directory, '.env'), `TES_BACKENDS='${BACKENDS}'\n`);
    await composed.compose('--profile', 'pulsar', '--profile', 'amqp', 'up', '--detach', '--quiet-pull');
    url = `http://127.0.0.1:${await composed.port(8080)}`;
    gateway = new TesClient(`${url}/ga4gh/tes/v1`);
    await eventually(
      'both servers to be ready',
      async () => {
        const metrics = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5000) })).text();
        return (metrics.match(/^tes_gateway_backend_up\{[^}]*\} 1$/gm) ?? []).length === 2 || undefined;
      },
      120_000,
    );
  }, 900_000);
  afterAll(async () => composed.remove(), 120_000);

  it.each(['pulsar', 'amqp'])('carries a task out on %s, from inline input to a file among /files', async (backend) => {
    const id = await gateway.create({
      ...on(backend),
      inputs: [{ path: '/in/words.txt', content: 'three small words' }],
      outputs: [{ path: '/out/count.txt', url: `file:///files/${backend}.txt` }],
      executors: [{ image: IMAGE, command: ['wc', '-w', '/in/words.txt'], stdout: '/out/count.txt' }],
    });
    const task = await gateway.ended(id);
    expect({ state: task.state, logs: task.logs?.[0]?.system_logs }).toMatchObject({ state: 'COMPLETE' });
    expect(await composed.compose('exec', '-T', 'gateway', 'cat', `/files/${backend}.txt`)).toBe('3 /in/words.txt');
  });

  it.each(['pulsar', 'amqp'])('leaves no container of a task that is cancelled on %s', async (backend) => {
    const id = await gateway.create({ ...on(backend), executors: [{ image: IMAGE, command: ['sleep', '1000'] }] });
    await gateway.until(id, ['RUNNING']);
    await eventually('its container', async () => (await jobs()) || undefined);
    await gateway.cancel(id);
    expect((await gateway.until(id, ['CANCELED'])).state).toBe('CANCELED');
    expect(await jobs()).toBe('');
  });

  it('hears of its jobs from the broker', async () => {
    const queues = await composed.compose('exec', '-T', 'rabbitmq', 'cat', '/proc/net/tcp6', '/proc/net/tcp');
    // Port 5672, established: by the gateway and by Pulsar.
    expect(queues.match(/:1628 \S+ 01 /g)?.length ?? 0).toBeGreaterThanOrEqual(2);
  });

  it('gives its containers no root, no capability and nothing of the image to write on', async () => {
    for (const service of ['pulsar', 'pulsar-amqp', 'rabbitmq']) {
      const status = await composed.compose('exec', '-T', service, 'cat', '/proc/1/status');
      expect(status).toMatch(/^Uid:\t(?!0\t)/m);
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      await expect(composed.compose('exec', '-T', '--user', '0', service, 'sh', '-c', 'echo >/usr/bin/written')).rejects.toThrow(
        'Read-only file system',
      );
    }
  });

  it('shows its secrets neither in docker inspect nor in a log', async () => {
    const read = (name: string): string => readFileSync(join(composed.directory, 'secrets', name), 'utf8');
    const password = /:(\w{32})@/.exec(read('amqp_url'))?.[1] ?? '';
    expect([password.length, read('pulsar_token').length]).toEqual([32, 32]);
    const shown = [
      await composed.docker('inspect', ...(await composed.compose('--profile', '*', 'ps', '-aq')).split('\n')),
      await composed.docker('history', '--no-trunc', 'tes-gateway-pulsar:0.16.0'),
      await composed.compose('--profile', '*', 'logs', '--no-color'),
    ].join('\n');
    expect(shown).toContain('serving on');
    expect(shown).toContain('rabbit@rabbitmq');
    for (const secret of [password, read('pulsar_token')]) expect(shown).not.toContain(secret);
  });
});
