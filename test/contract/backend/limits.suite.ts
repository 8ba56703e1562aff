import type { ExecutionBackend, Job } from '../../../src/ports/execution-backend';
import type { Handle } from '../../../src/task/task-record';
import { type BackendUnderTest, eventually, exitCodes, JobDriver, stdoutOf, withDriver } from './execution-backend.fixture';

const never = new AbortController().signal;

/** 2,000 processes that do nothing and take no notice of TERM: each waits for somebody to open a pipe. */
const CROWD = 'trap "" TERM; mkfifo /tmp/pipe; n=0; while [ $n -lt 2000 ]; do read line </tmp/pipe & n=$((n + 1)); done; echo ready; wait';

/** What every ExecutionBackend promises about the end of an executor, whatever it does, and about what it says meanwhile. */
export function describeLimits(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: limits and ends`, () => {
    let backend: ExecutionBackend;
    let driver: JobDriver;
    let workDir: string;
    withDriver(name, underTest, (made) => {
      ({ backend, driver, workDir } = made);
    });

    /** A container that has ended is there until the clean-up; what watched the time may be about to end itself. */
    const untilGone = async (job: Job, handle: Handle): Promise<void> => {
      await backend.cleanup(job.name, handle, { failed: true }, never);
      await eventually(`nothing left of ${job.name}`, async () => (await underTest().leftovers(job.name)).length === 0 || undefined);
    };
    const crowd = async (maxRuntimeSeconds: number): Promise<{ job: Job; handle: Handle }> => {
      const job = driver.job({ executors: [{ command: ['/bin/sh', '-c', CROWD] }] }, { ramGb: 2, maxRuntimeSeconds });
      const handle = await driver.start(job);
      await driver.untilPrinted(job, handle, 'ready');
      return { job, handle };
    };

    it('ends 2,000 processes at the time limit', async () => {
      const { job, handle } = await crowd(15);
      const ended = await driver.ended(job, handle);
      expect([ended.observation.phase, exitCodes(ended)]).toEqual(['failed', [137]]);
      expect(ended.observation.systemLogs).toContain('time limit of 15 s reached');
      await untilGone(job, handle);
    });

    it('ends 2,000 processes that are cancelled', async () => {
      const { job, handle } = await crowd(600);
      const observation = await backend.cancel(job.name, handle, never);
      expect(observation?.executors).toMatchObject([{ exitCode: 137, stdout: { text: 'ready\n' } }]);
      expect(await underTest().leftovers(job.name)).toEqual([]);
    });

    it('keeps every line of a program that opens /dev/stdout and /dev/stderr again and again', async () => {
      const script = 'echo a1; echo a2; echo b >/dev/stdout; echo c; for n in 1 2 3; do echo e$n >/dev/stderr; done; echo e4 >&2';
      const ended = await driver.shell(script);
      expect(ended.observation.executors[0]).toMatchObject({ stdout: { text: 'a1\na2\nb\nc\n' }, stderr: { text: 'e1\ne2\ne3\ne4\n' } });
    });

    it('has the whole of both streams when an executor ends, however fast they came', async () => {
      const ended = await driver.shell(
        'dd if=/dev/zero bs=1000 count=3000 2>/dev/null; dd if=/dev/zero bs=1000 count=2000 >&2 2>/dev/null; exit 3',
      );
      expect(ended.observation.executors[0]).toMatchObject({
        exitCode: 3,
        stdout: { totalBytes: 3_000_000 },
        stderr: { totalBytes: 2_000_000 },
      });
    });

    it('has the last words of a program that reads only some of its stdin', async () => {
      const inputs = [{ path: '/w/in', type: 'FILE' as const }];
      const executors = ['head -n 1 >/dev/null', 'exec 0<&-'].flatMap((read) =>
        Array.from({ length: 2 }, () => ({ command: ['/bin/sh', '-c', `${read}; sleep 0.1; echo last`], stdin: '/w/in' })),
      );
      const ended = await driver.carryOut(driver.job({ inputs, executors }), { '/w/in': `x\n${'y'.repeat(300_000)}` });
      expect(executors.map((_executor, index) => stdoutOf(ended, index))).toEqual(executors.map(() => 'last\n'));
    });

    it('does not wait for what a program leaves behind with its streams open', async () => {
      const ended = await driver.shell('(setsid sleep 600 &); echo over');
      expect([stdoutOf(ended), exitCodes(ended)]).toEqual(['over\n', [0]]);
      await untilGone(ended.job, ended.handle);
    });

    it('lets a program end itself by a signal', async () => {
      const ended = await driver.shell('kill $$; sleep 1; echo still here');
      expect([ended.observation.phase, exitCodes(ended), stdoutOf(ended)]).toEqual(['failed', [143], '']);
    });

    it('reaps what a program forked and left', async () => {
      // What waits for nobody's end is the first process where there is no init.
      const script = '(sleep 1; cat /proc/[0-9]*/status 2>/dev/null | grep -c "^State:.Z") & (sleep 0.1 &); exec sleep 3';
      expect(stdoutOf(await driver.shell(script))).toBe('0\n');
    });

    it('hands over exact arguments, and says 127, also where the words look like options of an init', async () => {
      const job = driver.job({ executors: [{ command: ['/bin/sh', '-c', 'printf "%s|" "$0" "$@"', '--', '-s', '', '-h'] }] });
      const ended = await driver.carryOut(job);
      expect(ended.observation.executors[0]).toMatchObject({ exitCode: 0, stdout: { text: '--|-s||-h|' } });
      expect(ended.observation.executors[0]?.stderr).toBeUndefined();
      expect(exitCodes(await driver.carryOut(driver.job({ executors: [{ command: ['-h'] }] })))).toEqual([127]);
    });

    it('does not wait for a program that has no handler for TERM', async () => {
      // A grace of a minute, more than the test may last.
      const patient = new JobDriver(underTest().makePatient(workDir), underTest().images);
      await patient.backend.start(never);
      const job = patient.job({ executors: [{ command: ['/bin/sh', '-c', 'echo ready; exec sleep 600'] }] });
      const handle = await patient.start(job);
      await patient.untilPrinted(job, handle, 'ready');
      expect((await patient.backend.cancel(job.name, handle, never))?.executors).toMatchObject([
        { exitCode: expect.any(Number) as number },
      ]);
      await patient.cleanAll();
    }, 30_000);
  });
}
