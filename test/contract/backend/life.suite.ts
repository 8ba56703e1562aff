import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionBackend, Job } from '../../../src/ports/execution-backend';
import type { Observation } from '../../../src/task/observation';
import type { Handle } from '../../../src/task/task-record';
import { LONG } from '../../support/amounts';
import {
  type BackendUnderTest,
  exitCodes,
  JobDriver,
  makeWorkDirectory,
  removeWorkDirectory,
  stdoutOf,
  textOf,
  withDriver,
} from './execution-backend.fixture';

const never = new AbortController().signal;
const SLEEP = 'echo ready; sleep 600';

/** The next nudge; where a backend does not nudge, polling does all. */
function nudgeFrom(backend: ExecutionBackend, jobName: string): Promise<string> {
  return backend.watch ? new Promise((resolve) => backend.watch?.(resolve, never)) : Promise.resolve(jobName);
}

/** What every ExecutionBackend promises about the life of a job: cancel, crashes of the gateway and of the job, clean-up. */
export function describeLife(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: the life of a job`, () => {
    let backend: ExecutionBackend;
    let driver: JobDriver;
    let workDir: string;

    const restarted = async (): Promise<JobDriver> => {
      const another = underTest().make(workDir);
      await another.start(never);
      return new JobDriver(another, underTest().images);
    };
    const shellJob = (script: string, needs: Partial<Job['needs']> = {}): Job =>
      driver.job({ executors: [{ command: ['/bin/sh', '-c', script] }], volumes: ['/work'] }, needs);
    const startedAndReady = async (script: string, by = driver): Promise<{ job: Job; handle: Handle }> => {
      const job = shellJob(script);
      const handle = await by.start(job);
      await by.untilPrinted(job, handle, 'ready');
      return { job, handle };
    };
    /** How a program ends that is cancelled by a backend with time for it. */
    const endOfAsked = async (script: string): Promise<Observation['executors'][number] | undefined> => {
      const patient = new JobDriver(underTest().makePatient(workDir), underTest().images);
      await patient.backend.start(never);
      try {
        const { job, handle } = await startedAndReady(script, patient);
        return (await patient.backend.cancel(job.name, handle, never))?.executors[0];
      } finally {
        await patient.cleanAll();
      }
    };
    const shellOf = async (job: Job): Promise<number> =>
      Number((await fs.readFile(join(underTest().workspaceOf(workDir, job.name), 'started'), 'utf8')).split(' ')[0]);
    const expectGone = async (jobName: string): Promise<void> => expect(await underTest().leftovers(jobName)).toEqual([]);

    withDriver(name, underTest, (made) => {
      ({ backend, driver, workDir } = made);
    });

    it('starts nothing between the steps of submit, and finds itself when a step is repeated', async () => {
      const job = shellJob('echo x >>/work/count');
      const first = await driver.prepare(job);
      expect(first.step).toBe('prepared');
      expect(await backend.submit(job, undefined, never)).toEqual(first);
      await expectGone(job.name);
      const again = await Promise.all([driver.submit(job, first), (await restarted()).submit(job, first)]);
      expect(again.map((handle) => handle.step)).toEqual(['submitted', 'submitted']);
      const ended = await driver.ended(job, again[0]);
      await (await restarted()).backend.submit(job, first, never);
      expect(await textOf(ended.workspace, '/work/count')).toBe('x\n');
      await backend.cleanup(job.name, first, { failed: false }, never);
      await expectGone(job.name);
    });

    it('throws away what an earlier try of staging wrote', async () => {
      const job = driver.job({
        inputs: [
          { path: '/in/a', type: 'FILE' },
          { path: '/in/b', type: 'FILE' },
        ],
        executors: [{ command: ['/bin/sh', '-c', 'ls /in'] }],
      });
      await driver.prepare(job, { '/in/a': 'old' });
      expect(stdoutOf(await driver.carryOut(job, { '/in/b': 'new' }))).toBe('b\n');
    });

    it('is found again by a new gateway while it runs, and its result after it has ended', async () => {
      const { job, handle } = await startedAndReady('echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo over; exit 4');
      const later = await restarted();
      expect(await later.look(job, handle)).toMatchObject({ phase: 'running', running: { index: 0, stdout: { text: 'ready\n' } } });
      const nudged = nudgeFrom(later.backend, job.name);
      const trees = join(underTest().workspaceOf(workDir, job.name), 'trees');
      for (const tree of await fs.readdir(trees)) await fs.writeFile(join(trees, tree, 'go'), '');
      expect(await nudged).toBe(job.name);
      const ended = await later.ended(job, handle);
      expect(ended.observation).toMatchObject({ phase: 'failed', executors: [{ exitCode: 4, stdout: { text: 'ready\nover\n' } }] });
    });

    it('ends a program that ignores TERM, what it forked twice, and what made itself a session', async () => {
      // Known among those of other suites that run at the same time.
      const length = 100_000 + process.pid;
      const { job, handle } = await startedAndReady(
        `trap "" TERM; (setsid sh -c "trap \\"\\" TERM; sleep ${length}1" &); (sleep ${length}2 & ); echo ready; while :; do sleep 1; done`,
      );
      const observation = await backend.cancel(job.name, handle, never);
      await expectGone(job.name);
      expect(observation === undefined || ['failed', 'lost', 'succeeded'].includes(observation.phase)).toBe(true);
      const left = (await fs.readdir('/proc')).filter((pid) => /^\d+$/.test(pid));
      for (const pid of left) expect(await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).not.toMatch(`sleep\0${length}`);
    });

    it('gives a program the time to end by itself', async () => {
      const executor = await endOfAsked('trap "echo bye; exit 9" TERM; echo ready; while :; do sleep 0.1; done');
      expect(executor).toMatchObject({ exitCode: 9, stdout: { text: 'ready\nbye\n' } });
    });

    it('asks a program to end once, whatever stands between it and the program', async () => {
      const script =
        'asked=0; turns=0; trap "asked=\\$((asked + 1))" TERM; echo ready; ' +
        'until [ $turns -ge 10 ]; do sleep 0.1; [ $asked -eq 0 ] || turns=$((turns + 1)); done; exit $asked';
      expect(await endOfAsked(script)).toMatchObject({ exitCode: 1 });
    });

    it('does not say of a program that is cancelled while its runtime starts that it ended by itself, and says something of each', async () => {
      const ends: (readonly [number, number | undefined])[] = [];
      // Not to wait for anything: to come at different moments of the start.
      for (const milliseconds of LONG ? [0, 20, 40, 60, 80, 100, 120, 140, 160, 200] : [0, 20, 60, 120]) {
        const job = shellJob('trap "exit 5" TERM; while :; do sleep 0.1; done');
        const handle = await driver.start(job);
        await driver.untilPhase(job, handle, 'running');
        await pause(milliseconds);
        const observation = await backend.cancel(job.name, handle, never);
        ends.push([milliseconds, observation?.executors[0]?.exitCode]);
      }
      expect(ends.filter(([, exitCode]) => ![5, 137, 143].includes(exitCode ?? NaN))).toEqual([]);
    });

    it('says how a program ended, and what it said, that had to be forced', async () => {
      const { job, handle } = await startedAndReady('trap "" TERM; echo ready; while :; do sleep 0.1; done');
      const observation = await backend.cancel(job.name, handle, never);
      expect(observation?.executors).toMatchObject([{ exitCode: 137, stdout: { text: 'ready\n' } }]);
    });

    it('cancels in every phase, and starts nothing under the name afterwards', async () => {
      const unknown = shellJob(SLEEP);
      await backend.cancel(unknown.name, undefined, never);
      await expect(backend.submit(unknown, undefined, never)).rejects.toMatchObject({ retryable: false });
      await backend.cleanup(unknown.name, undefined, { failed: false }, never);

      const prepared = shellJob(SLEEP);
      const handle = await driver.prepare(prepared);
      await backend.cancel(prepared.name, undefined, never);
      await expect(backend.submit(prepared, handle, never)).rejects.toMatchObject({ retryable: false });

      const starting = shellJob(SLEEP);
      const submitted = await driver.start(starting);
      await backend.cancel(starting.name, submitted, never);
      await expectGone(starting.name);

      const ended = await driver.shell('true');
      expect(await backend.cancel(ended.job.name, ended.handle, never)).toMatchObject({ phase: 'succeeded' });
    });

    it('cancels by the name alone, and twice', async () => {
      const { job } = await startedAndReady(SLEEP);
      await backend.cancel(job.name, undefined, never);
      await backend.cancel(job.name, undefined, never);
      await expectGone(job.name);
    });

    it('reports a job whose shell was killed as lost, after ending the rest of it', async () => {
      const { job, handle } = await startedAndReady(SLEEP);
      process.kill(await shellOf(job), 'SIGKILL');
      const observation = await driver.untilPhase(job, handle, 'lost');
      expect(observation.executors).toEqual([]);
      await expectGone(job.name);
    });

    it('leaves nothing after the clean-up, lists what is there, and cleans what never was', async () => {
      const { job, handle } = await startedAndReady(SLEEP);
      expect((await backend.list?.(never))?.map((entry) => entry.name)).toContain(job.name);
      await backend.cancel(job.name, handle, never);
      await backend.cleanup(job.name, handle, { failed: true }, never);
      await backend.cleanup(job.name, undefined, { failed: true }, never);
      await expectGone(job.name);
      expect((await backend.list?.(never))?.map((entry) => entry.name)).not.toContain(job.name);
    });

    it('carries many jobs out at once and keeps them apart', async () => {
      const jobs = Array.from({ length: 6 }, (_, index) => shellJob(`echo ${index}; exit ${index}`));
      const ended = await Promise.all(jobs.map((job) => driver.carryOut(job)));
      expect(ended.map((one) => [stdoutOf(one), exitCodes(one)])).toEqual(jobs.map((_, index) => [`${index}\n`, [index]]));
    });

    it('nudges when a job has ended', async () => {
      const job = shellJob('true');
      const nudged = nudgeFrom(backend, job.name);
      const handle = await driver.start(job);
      expect(await nudged).toBe(job.name);
      expect((await driver.ended(job, handle)).observation.phase).toBe('succeeded');
    });
  });
}

/** What a backend promises beside it that reads the script's own files, on the machine of the gateway. */
export function describeLifeHere(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: the life of a job on this machine`, () => {
    let driver: JobDriver;
    let workDir: string;

    const restarted = async (): Promise<JobDriver> => {
      const another = underTest().make(workDir);
      await another.start(never);
      return new JobDriver(another, underTest().images);
    };
    const trueJob = (): Job => driver.job({ executors: [{ command: ['true'] }] });

    beforeAll(async () => {
      workDir = await makeWorkDirectory(name);
      driver = await restarted();
    });
    afterEach(() => driver.cleanAll());
    afterAll(async () => {
      await driver.backend.close?.();
      await removeWorkDirectory(workDir);
    });

    it('never takes another process with the same pid for the job', async () => {
      const job = trueJob();
      const { handle } = await driver.carryOut(job);
      const directory = join(workDir, 'jobs', job.name);
      await fs.rename(join(directory, 'result'), join(directory, 'progress'));
      await fs.writeFile(join(directory, 'progress'), 'begin 1.00 0\n');
      const [, start, boot] = (await fs.readFile(join(directory, 'started'), 'utf8')).trim().split(' ');
      await fs.rm(join(directory, 'started'));
      await fs.writeFile(join(directory, 'started'), `${process.pid} ${start} ${boot}\n`);
      expect((await (await restarted()).look(job, handle))?.phase).toBe('lost');
      expect(process.pid).toBeGreaterThan(0);
    });

    it('believes no result from before a restart of the machine unless it was synced', async () => {
      const job = trueJob();
      const { handle } = await driver.carryOut(job);
      const directory = join(workDir, 'jobs', job.name);
      const started = await fs.readFile(join(directory, 'started'), 'utf8');
      await fs.rm(join(directory, 'started'));
      await fs.writeFile(join(directory, 'started'), started.replace(/ [0-9a-f-]+\n$/, ' 00000000-0000-0000-0000-000000000000\n'));
      expect((await (await restarted()).look(job, handle))?.phase).toBe('lost');
      const result = await fs.readFile(join(directory, 'result'), 'utf8');
      await fs.writeFile(join(directory, 'result'), result.replace('done', 'synced 1.00 0\ndone'));
      expect((await (await restarted()).look(job, handle))?.phase).toBe('succeeded');
    });
  });
}

/**
 * Where the program is not the first process of its namespace, for which the kernel drops a TERM that it has no handler for. With a grace of a
 * minute: a cancel that waits for something that nobody has asked uses up the time of the test.
 */
export function describeStart(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: cancelled while it starts`, () => {
    let driver: JobDriver;
    withDriver(
      name,
      () => ({ ...underTest(), make: (workDir) => underTest().makePatient(workDir) }),
      (made) => {
        driver = made.driver;
      },
    );

    it('waits for nobody when no program has begun', async () => {
      for (const milliseconds of [0, 20, 40, 60, 80, 100]) {
        const job = driver.job({ executors: [{ command: ['/bin/sh', '-c', 'trap "exit 5" TERM; while :; do sleep 0.1; done'] }] });
        const handle = await driver.start(job);
        await driver.untilPhase(job, handle, 'running');
        await pause(milliseconds);
        const observation = await driver.backend.cancel(job.name, handle, never);
        expect(observation).toBeDefined();
        // None at all, where its image was being opened still.
        expect([undefined, 5, 137, 143]).toContain(observation?.executors[0]?.exitCode);
      }
    });
  });
}
