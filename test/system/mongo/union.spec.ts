import { requireEngine, type Engine } from '../engines';
import { prepareServer, type RunningServer } from '../server';
import { eventually, TesClient } from '../tes-client';
import { describeMongo, freshDatabase } from './mongo';

describeMongo('the backends of two gateways', (url) => {
  let engine: Engine;
  const servers: RunningServer[] = [];
  beforeAll(async () => {
    engine = await requireEngine('bubblewrap');
  }, 300_000);
  afterAll(() => Promise.all(servers.map((one) => one.remove())));

  it('are offered by both: a task that only one can carry out is admitted as it is by the other, and neither counts one that has gone', async () => {
    const database = freshDatabase();
    const start = async (instance: string, backend: object): Promise<RunningServer> => {
      const settings = { instance, store: { type: 'mongodb', url: url(), database } };
      const server = await prepareServer({ engine, settings, backend: { network: 'host', ram_gb: 8, ...backend } });
      servers.push(server);
      await server.start();
      return server;
    };
    const small = await start('small', { cpus: 1 });
    const large = await start('large', { cpus: 8, labels: { gpu: 'a100' } });
    const listed = async (server: RunningServer) => {
      const { backends } = await new TesClient(server.url).json<{ backends: { gateways: string[]; cpu_cores: number }[] }>(
        'GET',
        '/ext/v1/backends',
      );
      return backends.map(({ gateways, cpu_cores }) => [gateways, cpu_cores]);
    };
    const both = [
      [['large'], 8],
      [['small'], 1],
    ];
    for (const server of [small, large]) {
      await eventually('both to be known', async () => ((await listed(server)).length === 2 ? true : undefined));
      expect(await listed(server)).toEqual(both);
    }

    const id = await small.client.create({
      executors: [{ image: 'localhost/busybox:latest', command: ['true'] }],
      resources: { cpu_cores: 8, backend_parameters: { 'label.gpu': 'a100' } },
    });
    const { state, resources, logs } = await small.client.ended(id);
    expect([state, resources?.cpu_cores, resources?.backend_parameters]).toEqual(['COMPLETE', 8, { 'label.gpu': 'a100' }]);
    expect(JSON.stringify(logs)).not.toMatch(/the most that any backend has|dropped/);

    await large.stop();
    await eventually('it to be forgotten', async () => ((await listed(small)).length === 1 ? true : undefined));
  }, 240_000);
});
