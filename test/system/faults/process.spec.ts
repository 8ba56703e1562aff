import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describeEngine } from '../engines';
import { nothingIsLeft } from '../leftovers';
import { prepareServer, type RunningServer } from '../server';
import { eventually } from '../tes-client';
import { Witness } from '../witness';

/** What a request on a connection of its own meets: `fetch` has one open already. */
const newConnection = (url: string): Promise<'answered' | 'refused'> =>
  new Promise((resolve) => {
    get(url, { agent: false, timeout: 2000 }, (answer) => {
      answer.resume();
      resolve('answered');
    })
      .on('timeout', () => resolve('refused'))
      .on('error', () => resolve('refused'));
  });

describeEngine('bubblewrap', 'a server process in trouble', (engine) => {
  let server: RunningServer;
  let witness: Witness;
  beforeEach(async () => {
    witness = await new Witness().start();
    server = await prepareServer({
      engine: engine(),
      backend: { network: 'host', cpus: 4, ram_gb: 16 },
      settings: { retry: { first_delay_seconds: 0.2, attempts: 20 } },
    });
  }, 120_000);
  afterEach(async () => {
    await server.remove();
    await witness.stop();
  });

  const task = (label: string): object => ({
    resources: { cpu_cores: 1, ram_gb: 0.1 },
    executors: [
      {
        image: 'localhost/busybox:latest',
        command: ['sh', '-c', witness.program(label)],
      },
    ],
  });

  it('that runs out of file descriptors answers again and ends its tasks once there are some', async () => {
    await server.start({ prefix: ['prlimit', '--nofile=80:80'] });
    const { client } = server;
    const before = await client.create(task('before'));
    await witness.seen('gate', 'before');
    const sockets: Socket[] = [];
    for (let index = 0; index < 120; index += 1) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      sockets.push(socket);
    }
    expect(await newConnection(`${server.url}/healthz`)).toBe('refused');
    // On the connection that is open already.
    const during = await client.create(task('during'));
    await eventually('the public reason', async () =>
      JSON.stringify((await client.get(during)).logs).includes('this machine has no free file descriptor') ? true : undefined,
    );
    witness.release('before');
    for (const socket of sockets) socket.destroy();
    const after = await eventually('a create to be answered', () => client.create(task('after')));
    for (const label of ['during', 'after']) witness.release(label);
    for (const id of [before, during, after]) await client.until(id, ['COMPLETE']);
    for (const label of ['before', 'during', 'after']) expect(witness.starts(label)).toBe(1);
    await nothingIsLeft(server, engine(), [before, during, after]);
  }, 120_000);

  it('that stands still for a while goes on where it was', async () => {
    await server.start();
    const { client } = server;
    const staging = await client.create({ ...task('staging'), inputs: [{ url: witness.url('slow', 'input'), path: '/in/x' }] });
    const running = await client.create(task('running'));
    await witness.seen('gate', 'running');
    await witness.seen('slow', 'input');
    const downloads = witness.count('slow', 'input');
    process.kill(server.pid, 'SIGSTOP');
    const asked = client.get(running);
    witness.release('input');
    witness.release('running');
    witness.release('staging');
    await new Promise((resolve) => setTimeout(resolve, 5000));
    process.kill(server.pid, 'SIGCONT');
    expect((await asked).id).toBe(running);
    for (const id of [staging, running]) await client.until(id, ['COMPLETE']);
    expect(witness.count('slow', 'input')).toBe(downloads);
    for (const label of ['staging', 'running']) expect(witness.starts(label)).toBe(1);
    await nothingIsLeft(server, engine(), [staging, running]);
  }, 120_000);
});
