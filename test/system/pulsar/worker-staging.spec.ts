import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { TesTask } from '../../../src/task/tes';
import { type FileServer, startFileServer } from '../../contract/storage/http-file-server';
import { cacheDirectory, describeEngine, type Engine, runScript } from '../engines';
import { filesHolding } from '../leftovers';
import { builtProgram, endNow, processesNaming, type RunningServer, type SeenProcess, startServer } from '../server';
import { eventually } from '../tes-client';
import { OwnPulsar } from './pulsar';

/** In the userinfo of URLs: may be known to the gateway, its store and the stager, and to nobody else. */
const SECRET = 'kept-between-us';

const lines = (task: TesTask): string => (task.logs?.at(-1)?.system_logs ?? []).join('\n');

for (const name of ['bubblewrap', 'podman'] as const) {
  describeEngine(name, 'tasks whose data the worker moves itself', (engine) => {
    let pulsar: OwnPulsar;
    let server: RunningServer;
    let files: FileServer;
    /** What the web server serves; `shared` below it is also open to `file:` URLs on the worker. */
    let directory: string;
    let shared: string;
    let stagerProgram: string;

    const entry = (on: Engine, more: object): object => ({
      type: 'pulsar',
      url: pulsar.url,
      token: pulsar.token,
      runtime: on.name,
      network: 'host',
      slots: 8,
      cpus: 16,
      ram_gb: 64,
      environment: on.env,
      ...more,
    });
    /** With the secret in it. */
    const url = (path: string): string => `http://user:${SECRET}@127.0.0.1:${files.port}/${path}`;
    const shell = (script: string): object => ({ image: engine().images.busybox, command: ['sh', '-c', script] });
    const on = (backend: string, task: object): object => ({ ...task, resources: { backend_parameters: { backend } } });
    const hang = (method: string, path: string) => (request: IncomingMessage, _response: ServerResponse) =>
      request.method === method && request.url === `/${path}`;
    const containersOf = (id: string): readonly string[] =>
      execFileSync(engine().name, ['ps', '-a', '--filter', 'label=tes-gateway.job', '--format', '{{.Names}}'], {
        env: engine().environment,
      })
        .toString()
        .split('\n')
        .filter((line) => line.includes(id));
    /** Not those of other servers' tasks, which another suite may have at the same time. */
    const stagersOf = (id: string): readonly SeenProcess[] =>
      processesNaming([`tes-${id}-`]).filter(({ commandLine }) => commandLine.includes(stagerProgram));
    const nothingIsLeft = (): Promise<true> =>
      eventually('no directory and no process of the jobs', () =>
        pulsar.jobs().length === 0 && processesNaming([`${pulsar.staging}/tes-`]).length === 0 ? true : undefined,
      );

    beforeAll(async () => {
      pulsar = await OwnPulsar.start();
      mkdirSync(join(cacheDirectory, 'worker-staging'), { recursive: true });
      directory = mkdtempSync(join(cacheDirectory, 'worker-staging', 'w-'));
      shared = join(directory, 'shared');
      mkdirSync(join(shared, 'tree', 'below'), { recursive: true });
      writeFileSync(join(shared, 'tree', 'below', 'leaf'), 'leaf\n');
      files = await startFileServer(directory);
      stagerProgram = await builtProgram('stager.main.js');
      const stager = [process.execPath, stagerProgram];
      const boxed =
        name === 'podman'
          ? {
              stager: ['/node', '/stager.js'],
              stager_image: await runScript('images/stager.sh', [name, process.execPath, stagerProgram], engine().env),
            }
          : { stager };
      server = await startServer({
        engine: engine(),
        settings: {
          backends: [
            entry(engine(), { name: 'far', staging: 'worker', stager, stager_files: [shared] }),
            entry(engine(), { name: 'boxed', staging: 'worker', ...boxed, stager_files: [shared] }),
            entry(engine(), { name: 'bare', staging: 'worker', stager: ['no-such-stager'] }),
            entry(engine(), { name: 'unnamed', staging: 'worker', stager: ['env', '-u', 'TES_GATEWAY_JOB', ...stager] }),
            entry(engine(), { name: 'near' }),
          ],
          storage: { file: { allowed: [directory] }, http: { allowed_networks: ['127.0.0.0/8'] } },
          local: { kill_grace_seconds: 1 },
          transfers: { tries: 1 },
          retry: { first_delay_seconds: 0.1, longest_delay_seconds: 0.5 },
          // A worker keeps nothing of what it could not store, and here nothing is to be left.
          retention: { unstored_outputs: 'off' },
        },
      });
    }, 300_000);
    afterEach(() => (files.fault = () => false));
    afterAll(async () => {
      await server.remove();
      await files.close();
      await pulsar.remove();
      if (process.env['TES_GATEWAY_KEEP'] === undefined) rmSync(directory, { recursive: true, force: true });
    });

    it('moves files, directories, content, wildcards and streams between storage and worker, and leaves nothing', async () => {
      const input = Buffer.alloc(3 << 20, 'worker\n');
      writeFileSync(join(directory, 'in'), input);
      const id = await server.client.create(
        on('far', {
          inputs: [
            { url: url('in'), path: '/data/in' },
            { content: 'from the request', path: '/data/note' },
            { url: `file://${shared}/tree`, path: '/tree' },
          ],
          outputs: [
            { url: url('copy'), path: '/data/copy' },
            { url: url('parts'), path: '/data/part.*', path_prefix: '/data' },
            { url: `file://${shared}/results`, path: '/results', type: 'DIRECTORY' },
            { url: url('said'), path: '/data/said' },
            { url: url('never'), path: '/data/never' },
          ],
          executors: [
            {
              ...shell(
                'cp in copy; echo 1 >part.1; echo 22 >part.2; mkdir -p /results; cp -r /tree/below /results; cat note; echo oops >&2',
              ),
              workdir: '/data',
              stdout: '/data/said',
            },
          ],
        }),
      );
      const task = await server.client.ended(id);
      expect([task.state, task.logs?.[0]?.logs?.[0]]).toMatchObject([
        'COMPLETE',
        { exit_code: 0, stdout: 'from the request', stderr: 'oops\n' },
      ]);
      expect(readFileSync(join(directory, 'copy')).equals(input)).toBe(true);
      expect(readFileSync(join(directory, 'parts', 'part.2'), 'utf8')).toBe('22\n');
      expect(readFileSync(join(shared, 'results', 'below', 'leaf'), 'utf8')).toBe('leaf\n');
      const stored = task.logs?.[0]?.outputs?.map((output) => [output.path, output.size_bytes, output.url]);
      const plain = `http://127.0.0.1:${files.port}`;
      expect(stored).toEqual([
        ['/data/copy', String(input.length), `${plain}/copy`],
        ['/data/part.1', '2', `${plain}/parts/part.1`],
        ['/data/part.2', '3', `${plain}/parts/part.2`],
        ['/results/below/leaf', '5', `file://${shared}/results/below/leaf`],
        ['/data/said', '16', `${plain}/said`],
      ]);
      expect(task.inputs?.[2]?.type).toBe('DIRECTORY');
      expect(lines(task)).toContain('output /data/never: nothing is there, left out');
      expect(lines(task)).toContain(`fetched by the worker: 3 files, ${input.length + 21} bytes`);
      await nothingIsLeft();
    });

    it('stores the outputs of an executor that failed', async () => {
      const task = await server.client.ended(
        await server.client.create(
          on('far', { outputs: [{ url: url('trace'), path: '/data/trace' }], executors: [shell('echo no >/data/trace; exit 3')] }),
        ),
      );
      expect([task.state, task.logs?.[0]?.logs?.[0]?.exit_code, task.logs?.[0]?.outputs?.length]).toEqual(['EXECUTOR_ERROR', 3, 1]);
      expect(readFileSync(join(directory, 'trace'), 'utf8')).toBe('no\n');
    });

    it('stores what there is when the time is up: the limit is for the executors', async () => {
      const limited = {
        resources: { backend_parameters: { backend: 'far', max_runtime_seconds: '1' } },
        outputs: [{ url: url('in-time'), path: '/data/o' }],
        executors: [shell('echo o >/data/o; sleep 600')],
      };
      const task = await server.client.ended(await server.client.create(limited));
      expect([task.state, lines(task)]).toEqual(['EXECUTOR_ERROR', expect.stringContaining('time limit of 1 s reached')]);
      expect(readFileSync(join(directory, 'in-time'), 'utf8')).toBe('o\n');
    });

    it('says the same of an input that is missing, and of an output that is refused, as the gateway does', async () => {
      files.fault = (request, response) => request.method === 'PUT' && Boolean(response.writeHead(403).end());
      const missing = { inputs: [{ url: url('missing'), path: '/data/in' }], executors: [shell('true')] };
      const refused = { outputs: [{ url: url('refused'), path: '/data/o' }], executors: [shell('echo o >/data/o')] };
      for (const request of [missing, refused]) {
        const ids = await Promise.all(['far', 'near'].map((backend) => server.client.create(on(backend, request))));
        const [there, here] = await Promise.all(ids.map((id) => server.client.ended(id)));
        expect([there?.state, here?.state]).toEqual(['SYSTEM_ERROR', 'SYSTEM_ERROR']);
        expect(there?.logs?.at(-1)?.system_logs?.at(-1)).toBe(here?.logs?.at(-1)?.system_logs?.at(-1));
        expect(there?.logs?.length).toBe(1);
      }
    });

    it('gives the secret to nobody but the stager, and removes the plan before an executor starts', async () => {
      writeFileSync(join(directory, 'secret-in'), 'x');
      const look = `grep -ls ${SECRET.slice(0, 6)}'.'${SECRET.slice(7)} /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; env; echo ready`;
      const id = await server.client.create(
        on('far', {
          inputs: [{ url: url('secret-in'), path: '/data/in' }],
          outputs: [{ url: url('secret-out'), path: '/data/in' }],
          executors: [shell(`${look}; while [ ! -e /tmp/never ]; do sleep 0.2; done`)],
        }),
      );
      await server.client.until(id, ['RUNNING']);
      await eventually('the executor to have looked', async () =>
        (await server.client.get(id, 'FULL')).logs?.[0]?.logs?.[0]?.stdout?.includes('ready\n') === true ||
        filesHolding(pulsar.staging, 'ready\n').length > 0
          ? true
          : undefined,
      );
      const job = pulsar.jobs().find((jobName) => jobName.includes(id)) ?? '';
      expect(existsSync(join(pulsar.staging, job, 'metadata/tes/plan/plan.sh'))).toBe(true);
      expect(existsSync(join(pulsar.staging, job, 'metadata/tes/plan/stager.json'))).toBe(false);
      expect(filesHolding(pulsar.directory, SECRET)).toEqual([]);
      expect(readFileSync(join(server.directory, 'log'), 'utf8')).not.toContain(SECRET);
      expect(processesNaming([SECRET])).toEqual([]);
      expect(stagersOf(id)).toHaveLength(1);
      const seen = await Promise.all(
        [`/tasks/${id}?view=FULL`, `/tasks?view=FULL`].map(async (path) => JSON.stringify(await server.client.json('GET', path))),
      );
      expect(seen.join()).not.toContain(SECRET);
      expect(seen.join()).toContain('secret-in');
      await server.client.cancel(id);
      const said = (await server.client.ended(id)).logs?.[0]?.logs?.[0]?.stdout ?? '';
      expect(said).toContain('PATH=');
      expect(said).not.toMatch(/\/proc\/|kept-between/);
      await nothingIsLeft();
    });

    it.each([
      ['inputs come', 'HEAD', 'held-in'],
      ['outputs go', 'PUT', 'held-out'],
    ])('says where it is while %s, is cancelled there, and nothing goes on', async (_when, method, path) => {
      writeFileSync(join(directory, 'held-in'), 'x');
      files.fault = hang(method, path);
      const before = files.requests.length;
      const id = await server.client.create(
        on('far', {
          inputs: [{ url: url('held-in'), path: '/data/in' }],
          outputs: [{ url: url('held-out'), path: '/data/in' }],
          executors: [shell('true')],
        }),
      );
      await eventually(
        'the worker to be at it',
        () => files.requests.slice(before).some((one) => one.method === method && one.url === `/${path}`) || undefined,
      );
      const state = method === 'PUT' ? 'RUNNING' : 'INITIALIZING';
      expect((await server.client.until(id, [state])).state).toBe(state);
      await server.client.cancel(id);
      const task = await server.client.ended(id);
      expect([task.state, task.logs?.[0]?.outputs ?? []]).toEqual(['CANCELED', []]);
      await nothingIsLeft();
      expect(existsSync(join(directory, 'held-out'))).toBe(false);
    });

    // Which it is for a moment whenever a program starts: then its plan was taken from it.
    it('waits for a stager in whose environment it cannot read the name of the job', async () => {
      const outputs = [{ url: url('by-unnamed'), path: '/data/o' }];
      const id = await server.client.create(on('unnamed', { outputs, executors: [shell('echo o >/data/o')] }));
      expect((await server.client.until(id, ['COMPLETE'])).logs).toHaveLength(1);
    });

    it('starts another attempt when the stager was killed, and says that it was', async () => {
      const id = await server.client.create(
        on('far', {
          outputs: [{ url: url('after-kill'), path: '/data/o' }],
          executors: [shell(`echo o >/data/o; [ -e /proc/1/nothing ] || sleep 3`)],
        }),
      );
      await server.client.until(id, ['RUNNING']);
      for (const { pid } of stagersOf(id)) endNow(pid);
      const task = await server.client.until(id, ['COMPLETE']);
      expect(JSON.stringify(task.logs)).toContain('the stager on the worker ended before the outputs were stored');
      expect(readFileSync(join(directory, 'after-kill'), 'utf8')).toBe('o\n');
    });

    if (name === 'podman') {
      it('moves the data from inside a container as well, which goes with the job', async () => {
        writeFileSync(join(directory, 'boxed-in'), 'in a box');
        const task = (script: string): object =>
          on('boxed', {
            inputs: [
              { url: url('boxed-in'), path: '/data/in' },
              { url: `file://${shared}/tree`, path: '/tree', type: 'DIRECTORY' },
            ],
            outputs: [{ url: `file://${shared}/boxed-out`, path: '/data/out' }],
            executors: [shell(script)],
          });
        const whole = await server.client.ended(await server.client.create(task('cat /data/in /tree/below/leaf >/data/out')));
        expect([whole.state, lines(whole)]).toEqual(['COMPLETE', expect.stringContaining('stored by the worker: 1 file, 13 bytes')]);
        expect(readFileSync(join(shared, 'boxed-out'), 'utf8')).toBe('in a boxleaf\n');
        const endless = await server.client.create(task('while [ ! -e /data/never ]; do sleep 0.2; done'));
        await server.client.until(endless, ['RUNNING']);
        expect(containersOf(endless)).toHaveLength(2);
        await server.client.cancel(endless);
        await server.client.until(endless, ['CANCELED']);
        expect(containersOf(endless)).toEqual([]);
        await nothingIsLeft();
      });
    }

    it('gives no task to a worker whose stager does not start, and says why', async () => {
      const detail = await eventually('the worker to be looked at', async () => {
        const { backends } = (await (await fetch(`${server.url}/readyz`)).json()) as {
          backends: Record<string, { ok: boolean; detail: string }>;
        };
        return backends['bare']?.ok === false ? backends['bare'].detail : undefined;
      });
      expect(detail).toMatch(/its stager does not start: .*no-such-stager.*not found/);
      const id = await server.client.create(on('bare', { inputs: [{ content: 'x', path: '/x' }], executors: [shell('true')] }));
      expect((await server.client.get(id, 'MINIMAL')).state).toBe('QUEUED');
      await server.client.cancel(id);
      await server.client.until(id, ['CANCELED']);
    });

    it('refuses at once a file of the worker that nobody opened to tasks', async () => {
      const closed = on('far', { inputs: [{ url: `file://${directory}/in`, path: '/in' }], executors: [shell('true')] });
      await expect(server.client.create(closed)).rejects.toThrow(/stager_files/);
    });
  });
}
