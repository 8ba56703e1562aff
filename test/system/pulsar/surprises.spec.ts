import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PulsarBackend } from '../../../src/backends/pulsar/pulsar.backend';
import { commandLine } from '../../../src/backends/pulsar/pulsar.manifest';
import type { PulsarBackendSettings } from '../../../src/backends/pulsar/pulsar.settings';
import type { Job } from '../../../src/ports/execution-backend';
import { exitCodes, JobDriver, processesOf, stdoutOf, textOf } from '../../contract/backend/execution-backend.fixture';
import { pulsarSettings } from '../../contract/backend/pulsar-backend.fixture';
import { describeEngine } from '../engines';
import { eventually } from '../tes-client';
import { OwnPulsar } from './pulsar';

const never = new AbortController().signal;

describeEngine('bubblewrap', 'what a real Pulsar does that nobody would expect', (engine) => {
  let pulsar: OwnPulsar;
  let backend: PulsarBackend;
  let driver: JobDriver;

  const backendWith = (changes: Partial<PulsarBackendSettings>): PulsarBackend =>
    new PulsarBackend(pulsarSettings(pulsar, engine(), changes));
  const shellJob = (script: string): Job => driver.job({ executors: [{ command: ['/bin/sh', '-c', script] }], volumes: ['/work'] });
  const workspaceOf = (job: Job): string => join(pulsar.staging, job.name, 'metadata', 'tes');
  const restart = async (): Promise<void> => {
    await pulsar.kill9();
    await pulsar.startAgain();
  };
  /** Lets a job's program that waits for `/work/go` go on. */
  const letGo = (job: Job): void => {
    const trees = join(workspaceOf(job), 'trees');
    for (const tree of readdirSync(trees)) writeFileSync(join(trees, tree, 'go'), '');
  };
  const WAIT = 'echo x >>/work/count; echo ready; while [ ! -e /work/go ]; do sleep 0.1; done; echo over';

  beforeAll(async () => {
    pulsar = await OwnPulsar.start();
    backend = backendWith({});
    await backend.start(never);
    driver = new JobDriver(backend, engine().images);
  }, 300_000);
  afterEach(() => driver.cleanAll());
  afterAll(async () => {
    await backend.close();
    await pulsar.remove();
  });

  it('says "running" for ever after a restart, and starts a job again that is sent again: the script guards itself', async () => {
    const job = shellJob(WAIT);
    const handle = await driver.start(job);
    await driver.untilPrinted(job, handle, 'ready');
    await restart();
    expect((await driver.look(job, handle))?.phase).toBe('running');
    const query = new URLSearchParams({ command_line: commandLine(job.name), private_token: pulsar.token }).toString();
    const again = await fetch(`${pulsar.url}/jobs/${job.name}/submit?${query}`, { method: 'POST' });
    expect(await again.text()).toBe('OK');
    // The second start is over at once, and Pulsar calls the job complete: the first one goes on all the same.
    await eventually('Pulsar to see the second start end', async () => {
      const answer = await fetch(`${pulsar.url}/jobs/${job.name}/status?private_token=${pulsar.token}`);
      return ((await answer.json()) as { status: string }).status === 'complete' || undefined;
    });
    expect((await driver.look(job, handle))?.phase).toBe('running');
    letGo(job);
    const ended = await driver.ended(job, handle);
    expect([ended.observation.phase, stdoutOf(ended)]).toEqual(['succeeded', 'ready\nover\n']);
    expect(await textOf(ended.workspace, '/work/count')).toBe('x\n');
  });

  it('knows nothing of the end of a job that ended while it was down: the report does', async () => {
    const job = shellJob(`${WAIT}; exit 5`);
    const handle = await driver.start(job);
    await driver.untilPrinted(job, handle, 'ready');
    await pulsar.kill9();
    letGo(job);
    await eventually('the script to end', () => existsSync(join(workspaceOf(job), 'result')) || undefined);
    await expect(backend.observe([{ name: job.name, handle, tailBytes: 100 }], never)).rejects.toMatchObject({ unavailable: true });
    expect(await backend.health(never)).toMatchObject({ ok: false });
    await pulsar.startAgain();
    const ended = await driver.ended(job, handle);
    expect([ended.observation.phase, exitCodes(ended)]).toEqual(['failed', [5]]);
  });

  it('calls a job "lost" whose directory is gone: what still runs of it is ended before another attempt may begin', async () => {
    const job = shellJob('echo ready; sleep 600');
    const handle = await driver.start(job);
    await driver.untilPrinted(job, handle, 'ready');
    rmSync(join(pulsar.staging, job.name), { recursive: true, force: true, maxRetries: 20 });
    expect((await driver.untilPhase(job, handle, 'lost')).executors).toEqual([]);
    expect(await processesOf(job.name)).toEqual([]);
  });

  it('calls a job "complete" that left no result: it is lost, not done', async () => {
    const job = shellJob('echo ready; sleep 600');
    const handle = await driver.start(job);
    await driver.untilPrinted(job, handle, 'ready');
    process.kill(Number(readFileSync(join(workspaceOf(job), 'started'), 'utf8').split(' ')[0]), 'SIGKILL');
    await driver.untilPhase(job, handle, 'lost');
    expect(await processesOf(job.name)).toEqual([]);
  });

  it('kills whoever has the number of a job that ended before a restart: it is never asked to', async () => {
    const ended = await driver.shell('true');
    const innocent = spawn('sleep', ['600'], { stdio: 'ignore' });
    try {
      await restart();
      writeFileSync(join(pulsar.staging, ended.job.name, 'pid'), String(innocent.pid));
      await backend.cancel(ended.job.name, ended.handle, never);
      await backend.cleanup(ended.job.name, ended.handle, { failed: false }, never);
      expect(pulsar.jobs()).not.toContain(ended.job.name);
      expect([innocent.exitCode, innocent.signalCode]).toEqual([null, null]);
    } finally {
      innocent.kill('SIGKILL');
    }
  });

  it('cannot tell a status any more once a stream is not UTF-8: no stream of a job gets there', async () => {
    const ended = await driver.shell('head -c 300000 /dev/urandom; printf "\\377\\376" >&2');
    expect([ended.observation.phase, ended.observation.executors[0]?.stdout?.totalBytes]).toEqual(['succeeded', 300_000]);
    await backend.cleanup(ended.job.name, ended.handle, { failed: false }, never);
    expect(pulsar.jobs()).not.toContain(ended.job.name);
  });

  it('keeps what it was told to kill in its list until somebody asks: nothing is left there', async () => {
    const job = shellJob('echo ready; sleep 600');
    const handle = await driver.start(job);
    await driver.untilPrinted(job, handle, 'ready');
    await backend.cancel(job.name, handle, never);
    await backend.cleanup(job.name, handle, { failed: true }, never);
    const active = join(pulsar.directory, 'run', 'persist', '_default_-active-jobs');
    // The job whose directory the test above took away stays until the next start: there is nothing any more to ask about.
    expect(readdirSync(active).filter((name) => name === job.name || name.startsWith('tes-errand-'))).toEqual([]);
    expect(pulsar.jobs()).toEqual([]);
  });

  // A large file is summed by itself.
  it.each([
    ['a file', 'all of it'],
    ['a large file', 'all of it'.repeat(2 << 20)],
  ])('takes half an upload for %s: the script finds out', async (_what, content) => {
    const job = driver.job({
      inputs: [{ path: '/work/in', type: 'FILE' }],
      executors: [{ command: ['cat', '/work/in'] }],
    });
    const handle = await driver.prepare(job, { '/work/in': content });
    const [staged = ''] = readdirSync(join(workspaceOf(job), 'inputs'));
    truncateSync(join(workspaceOf(job), 'inputs', staged, '0'), 3);
    const ended = await driver.ended(job, await backend.submit(job, handle, never));
    expect(ended.observation).toMatchObject({ phase: 'failed', executors: [], systemError: { retryable: true } });
    expect(ended.observation.systemError?.message).toContain('arrived damaged');
  });

  it('keeps what came of an upload that a kill cut off: the next try makes it whole', async () => {
    const job = shellJob('echo done');
    const first = await backend.submit(job, undefined, never);
    driver.jobs.push({ job, handle: first });
    for (const name of ['mark', 'report']) truncateSync(join(workspaceOf(job), name), 0);
    const handle = await backend.submit(job, undefined, never);
    expect(readFileSync(join(workspaceOf(job), 'mark'), 'utf8')).toBe('none contract\n');
    const ended = await driver.ended(job, await backend.submit(job, handle, never));
    expect(stdoutOf(ended)).toBe('done\n');
  });

  it.each([
    ['a file', 0],
    ['a large file', 17 << 20],
  ])('says neither how long %s is nor what its sum is: what comes is held against what the script saw', async (_what, more) => {
    const job = driver.job({
      outputs: [{ path: '/work/out', type: 'FILE', url: '/x' }],
      executors: [{ command: ['/bin/sh', '-c', `echo right >/work/out; head -c ${more} /dev/zero >>/work/out`] }],
    });
    const ended = await driver.carryOut(job);
    const filling = '\0'.repeat(more);
    expect((await textOf(ended.workspace, '/work/out')) === `right\n${filling}`).toBe(true);
    const trees = join(workspaceOf(job), 'trees');
    const tree = readdirSync(trees).find((name) => existsSync(join(trees, name, 'out'))) ?? '';
    writeFileSync(join(trees, tree, 'out'), `wrong\n${filling}`);
    await expect(textOf(ended.workspace, '/work/out')).rejects.toMatchObject({ retryable: true, publicMessage: '/work/out came damaged' });
    truncateSync(join(trees, tree, 'out'), 2);
    await expect(textOf(ended.workspace, '/work/out')).rejects.toMatchObject({ retryable: true });
  });

  it('sums large files up by sha256sum where the worker has no openssl that works', async () => {
    const programs = join(pulsar.directory, 'programs');
    const asked = join(pulsar.directory, 'openssl-asked');
    mkdirSync(programs);
    writeFileSync(join(programs, 'openssl'), `#!/bin/sh\necho x >>${asked}\nexit 1\n`, { mode: 0o755 });
    const { env } = engine();
    const path = `${programs}:${env['PATH'] ?? process.env['PATH'] ?? ''}`;
    const without = backendWith({ environment: { ...env, PATH: path } });
    await without.start(never);
    const user = new JobDriver(without, engine().images);
    try {
      const content = 'all of it'.repeat(2 << 20);
      const job = user.job({
        inputs: [{ path: '/work/in', type: 'FILE' }],
        outputs: [{ path: '/work/out', type: 'FILE', url: '/x' }],
        executors: [{ command: ['cp', '/work/in', '/work/out'] }],
      });
      const ended = await user.carryOut(job, { '/work/in': content });
      expect(ended.observation).toMatchObject({ phase: 'succeeded' });
      expect((await textOf(ended.workspace, '/work/out')) === content).toBe(true);
      expect(readFileSync(asked, 'utf8')).toBe('x\nx\n');
    } finally {
      await user.cleanAll();
      await without.close();
    }
  });

  it('answers a wrong token and an unknown manager with pages: the health says what is wrong', async () => {
    const wrong = backendWith({ token: 'wrong' });
    expect(await wrong.health(never)).toEqual({ ok: false, detail: expect.stringContaining('does not take the token') as string });
    const unknown = backendWith({ manager: 'nobody' });
    expect(await unknown.health(never)).toEqual({ ok: false, detail: expect.stringContaining('(500)') as string });
    expect(await backend.health(never)).toEqual({ ok: true, detail: expect.stringMatching(/^Pulsar 0\.16\.0, bubblewrap /) as string });
    await Promise.all([wrong.close(), unknown.close()]);
  });

  it('keeps directories for ever: the sweep finds jobs that nobody remembers, and clears errands that a crash cut short', async () => {
    const job = shellJob('true');
    await driver.carryOut(job);
    const errand = join(pulsar.staging, 'tes-errand-0123456789abcdef');
    mkdirSync(join(errand, 'metadata'), { recursive: true });
    expect((await backend.list(never)).map(({ name }) => name)).toEqual([job.name]);
    expect(existsSync(errand)).toBe(true);
    utimesSync(errand, new Date(0), new Date(0));
    await backend.list(never);
    expect(existsSync(errand)).toBe(false);
    const other = backendWith({ instance: 'another-gateway' });
    expect(await other.list(never)).toEqual([]);
    await other.close();
  });
});
