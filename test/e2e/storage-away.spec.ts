import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LocalBackend } from '../../src/backends/local/local.backend';
import { HttpStorage } from '../../src/storage/http/http.storage';
import type { TesTaskRequest } from '../../src/task/tes';
import { makeWorkDirectory } from '../contract/backend/execution-backend.fixture';
import { type FileServer, startFileServer } from '../contract/storage/http-file-server';
import { localSettings } from '../contract/backend/local-backend.fixture';
import { describeEngine } from '../system/engines';
import { ENGINE } from '../support/settings';
import { TestGateway } from './app';
import { Client } from './client';
import { ANYWHERE } from '../support/connections';

/** Patience of the gateway: what is away is back before, or only after it. */
const LONG_MS = 60_000;
const SHORT_MS = 300;

describeEngine('bubblewrap', 'a storage that is away, over HTTP', (engine) => {
  let gateway: TestGateway;
  let directory: string;
  let server: FileServer;
  const client = new Client(() => gateway.port);
  const served = (name = ''): string => join(directory, 'served', name);
  const url = (name: string): string => `${server.url}/${name}`;

  beforeEach(async () => {
    directory = await makeWorkDirectory('away');
    await fs.mkdir(served());
    await fs.writeFile(served('in'), 'input');
    server = await startFileServer(served());
    // From here on its port refuses connections.
    await server.close();
  });
  afterEach(async () => {
    await gateway.stop();
    await server.close();
    // A backend may still be copying /etc for its first job.
    await fs.rm(directory, { recursive: true, force: true, maxRetries: 50 });
  });

  const begin = async (patienceMs: number): Promise<void> => {
    const retry = { ...ENGINE.retry, longestDelayMs: 200, storagePatienceMs: patienceMs, outputPatienceMs: patienceMs };
    const settings = { enabled: true, maxRedirects: 1, connectTimeoutMs: 5000, idleTimeoutMs: 5000, reach: ANYWHERE };
    gateway = await TestGateway.start({
      backends: [new LocalBackend(localSettings(engine(), join(directory, 'work')))],
      storage: [new HttpStorage(settings)],
      engine: { retry, keepOutputsMs: 3_600_000 },
    });
  };
  const comeBack = async (): Promise<void> => {
    server = await startFileServer(served(), server.port);
  };
  const task = (files: Partial<TesTaskRequest>): TesTaskRequest => ({
    executors: [{ image: 'i', command: ['sh', '-c', 'cat /data/in > /data/out 2>/dev/null || echo made > /data/out'] }],
    volumes: ['/data'],
    ...files,
  });
  const OUT = { outputs: [{ url: 'x', path: '/data/out', type: 'FILE' as const }] };
  const create = async (files: Partial<TesTaskRequest>): Promise<string> => {
    const { json } = await client.send('POST', '/v1/tasks', {
      body: JSON.stringify(task(files)),
      headers: { 'content-type': 'application/json' },
    });
    return (json as { id: string }).id;
  };
  const ask = async (id: string): Promise<Record<string, unknown>> =>
    (await client.send('GET', `/ext/v1/tasks/${id}`)).json as Record<string, unknown>;
  const until = async (id: string, holds: (told: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> => {
    for (;;) {
      const told = await ask(id);
      if (holds(told)) return told;
      await pause(20);
    }
  };

  it('is waited for by outputs, which are stored when it is back', async () => {
    await begin(LONG_MS);
    const id = await create({ outputs: OUT.outputs.map((output) => ({ ...output, url: url('out') })) });
    const told = await until(id, ({ storage_wait: wait }) => wait !== undefined);
    expect(told).toMatchObject({ state: 'RUNNING', step: 'await-storage', storage_wait: { of: 'outputs' } });
    expect(JSON.stringify(told['waiting'])).toContain('the connection was refused');
    await comeBack();
    await until(id, ({ state }) => state === 'COMPLETE');
    expect(await fs.readFile(served('out'), 'utf8')).toBe('made\n');
  });

  it('is waited for by inputs, in the queue', async () => {
    await begin(LONG_MS);
    const id = await create({ inputs: [{ url: url('in'), path: '/data/in', type: 'FILE' }] });
    const told = await until(id, ({ state, storage_wait: wait }) => state === 'QUEUED' && wait !== undefined);
    expect(told).toMatchObject({ storage_wait: { of: 'inputs' } });
    await comeBack();
    await until(id, ({ state }) => state === 'COMPLETE');
  });

  it('ends a task whose input stays away, naming the setting', async () => {
    await begin(SHORT_MS);
    const id = await create({ inputs: [{ url: url('in'), path: '/data/in', type: 'FILE' }] });
    await until(id, ({ state }) => state === 'SYSTEM_ERROR');
    const { text } = await client.send('GET', `/v1/tasks/${id}?view=FULL`);
    expect(text).toContain('retry.storage_patience_seconds');
  });

  it('leaves outputs that it never took in a kept workspace, from which an operator has them stored', async () => {
    await begin(SHORT_MS);
    const id = await create({ outputs: OUT.outputs.map((output) => ({ ...output, url: url('out') })) });
    const told = await until(id, ({ step }) => step === 'kept');
    expect(told).toMatchObject({ state: 'SYSTEM_ERROR', outputs_kept_until: expect.any(String) as string });
    await comeBack();
    expect((await client.send('POST', `/ext/v1/tasks/${id}:restore-outputs`)).status).toBe(202);
    await until(id, ({ state, step }) => state === 'COMPLETE' && step === 'done');
    expect(await fs.readFile(served('out'), 'utf8')).toBe('made\n');
    expect(await fs.readdir(join(directory, 'work', 'jobs'))).toEqual([]);
    expect((await client.send('POST', `/ext/v1/tasks/${id}:restore-outputs`)).status).toBe(409);
    expect((await client.send('POST', '/ext/v1/tasks/nobody:restore-outputs')).status).toBe(404);
    expect((await client.send('GET', `/ext/v1/tasks/${id}:restore-outputs`)).status).toBe(405);
  });
});
