import { promises as fs } from 'node:fs';
import type { ExecutionBackend } from '../../../src/ports/execution-backend';
import {
  type BackendUnderTest,
  coresOf,
  exitCodes,
  type JobDriver,
  namesBelow,
  stdoutOf,
  textOf,
  withDriver,
} from './execution-backend.fixture';

const never = new AbortController().signal;

/** What every ExecutionBackend with `staging: gateway` promises about executors and files. */
export function describeExecutors(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: executors and files`, () => {
    let backend: ExecutionBackend;
    let driver: JobDriver;
    let workDir: string;

    withDriver(name, underTest, (made) => {
      ({ backend, driver, workDir } = made);
    });

    it('carries executors out in order and stops at the first that fails', async () => {
      const say = (word: string, code: number) => ({ command: ['/bin/sh', '-c', `echo ${word} >>/work/order; exit ${code}`] });
      const job = driver.job({ executors: [say('one', 0), say('two', 3), say('three', 0)], volumes: ['/work'] });
      const ended = await driver.carryOut(job);
      expect(ended.observation.phase).toBe('failed');
      expect(ended.observation.systemError).toBeUndefined();
      expect(exitCodes(ended)).toEqual([0, 3]);
      expect(await textOf(ended.workspace, '/work/order')).toBe('one\ntwo\n');
    });

    it('goes on after an executor whose error is ignored', async () => {
      const job = driver.job({
        executors: [{ command: ['/bin/sh', '-c', 'exit 5'], ignore_error: true }, { command: ['/bin/sh', '-c', 'exit 0'] }],
      });
      const ended = await driver.carryOut(job);
      expect(ended.observation.phase).toBe('succeeded');
      expect(exitCodes(ended)).toEqual([5, 0]);
    });

    it('keeps stdout and stderr apart, with times', async () => {
      const ended = await driver.shell('echo out; echo err >&2; exit 7');
      const executor = ended.observation.executors[0];
      expect(executor).toMatchObject({ exitCode: 7, stdout: { text: 'out\n', totalBytes: 4 }, stderr: { text: 'err\n', totalBytes: 4 } });
      expect(executor?.startedAt).toBeLessThanOrEqual(executor?.endedAt ?? 0);
      expect(Math.abs((executor?.endedAt ?? 0) - Date.now())).toBeLessThan(60_000);
    });

    it('ends with 127 when the program is missing, 126 when it cannot be executed, 128+n after a signal', async () => {
      const missing = await driver.carryOut(driver.job({ executors: [{ command: ['no-such-program-anywhere'] }] }));
      expect([missing.observation.phase, ...exitCodes(missing)]).toEqual(['failed', 127]);
      expect(missing.observation.systemError).toBeUndefined();
      const plain = await driver.carryOut(
        driver.job({ inputs: [{ path: '/work/text', type: 'FILE' }], executors: [{ command: ['/work/text'] }] }),
        { '/work/text': 'x' },
      );
      expect(exitCodes(plain)).toEqual([126]);
      expect(exitCodes(await driver.shell('sh -c "kill -SEGV \\$\\$"; exit $?'))).toEqual([139]);
      expect(exitCodes(await driver.shell('exit 255'))).toEqual([255]);
      expect(exitCodes(await driver.shell('exit 125'))).toEqual([125]);
    });

    it('gives inputs, pipes stdin and places stdout and stderr', async () => {
      const job = driver.job({
        inputs: [{ path: '/work/in.txt', type: 'FILE' }],
        outputs: [{ path: '/results/deep/out.txt', type: 'FILE', url: '/x' }],
        executors: [
          {
            command: ['/bin/sh', '-c', 'tr a-z A-Z; echo problem >&2'],
            stdin: '/work/in.txt',
            stdout: '/results/deep/out.txt',
            stderr: '/logs/err.txt',
          },
          { command: ['/bin/sh', '-c', 'cat; cat /logs/err.txt'], stdin: '/results/deep/out.txt' },
        ],
      });
      const ended = await driver.carryOut(job, { '/work/in.txt': 'hello\n' });
      expect(ended.observation).toMatchObject({ phase: 'succeeded' });
      expect(await textOf(ended.workspace, '/results/deep/out.txt')).toBe('HELLO\n');
      expect(await textOf(ended.workspace, '/logs/err.txt')).toBe('problem\n');
      expect(stdoutOf(ended, 1)).toBe('HELLO\nproblem\n');
    });

    it('writes both streams into one file when they name the same', async () => {
      const job = driver.job({
        executors: [{ command: ['/bin/sh', '-c', 'echo 1; echo 2 >&2; echo 3'], stdout: '/work/both', stderr: '/work/both' }],
      });
      // Two pipes of a container engine do not promise an order between them.
      const lines = (await textOf((await driver.carryOut(job)).workspace, '/work/both')).split('\n');
      expect(lines.sort()).toEqual(['', '1', '2', '3']);
    });

    it('lets a program unpack, rename and change its inputs', async () => {
      const job = driver.job({
        inputs: [
          { path: '/work/a', type: 'FILE' },
          { path: '/in', type: 'FILE' },
        ],
        executors: [
          {
            command: [
              '/bin/sh',
              '-c',
              'sed -i s/x/y/ /work/a && mv /work/a /work/b && gzip /work/b && gunzip /work/b.gz && cat /work/b /in',
            ],
          },
        ],
      });
      const ended = await driver.carryOut(job, { '/work/a': 'x\n', '/in': 'root\n' });
      expect(ended.observation.executors[0]?.stderr?.text ?? '').toBe('');
      expect(stdoutOf(ended)).toBe('y\nroot\n');
    });

    it('makes a missing workdir and starts in it', async () => {
      const job = driver.job({ executors: [{ command: ['/bin/sh', '-c', 'pwd; echo x >here'], workdir: '/some/new/place' }] });
      const ended = await driver.carryOut(job);
      expect(stdoutOf(ended)).toBe('/some/new/place\n');
      expect(await textOf(ended.workspace, '/some/new/place/here')).toBe('x\n');
    });

    it('shares volumes, empty at the start, and gives a fresh writable /tmp', async () => {
      const job = driver.job({
        volumes: ['/vol'],
        executors: [
          { command: ['/bin/sh', '-c', 'find /vol /tmp | sort; echo a >/vol/a; echo t >/tmp/t'] },
          { command: ['/bin/sh', '-c', 'cat /vol/a'] },
        ],
      });
      const ended = await driver.carryOut(job);
      expect(stdoutOf(ended, 0)).toBe('/tmp\n/vol\n');
      expect(exitCodes(ended)).toEqual([0, 0]);
      expect(stdoutOf(ended, 1)).toBe('a\n');
    });

    it('finds outputs directly in / and puts inputs there', async () => {
      const job = driver.job({
        inputs: [{ path: '/first.txt', type: 'FILE' }],
        outputs: [
          { path: '/second.txt', type: 'FILE', url: '/x' },
          { path: '/folder', type: 'FILE', url: '/y' },
        ],
        executors: [
          {
            command: ['/bin/sh', '-c', 'cat first.txt >/second.txt; mkdir /folder; echo f >/folder/f; echo said'],
            workdir: '/',
            stdout: '/said.txt',
          },
          { command: ['/bin/sh', '-c', 'cat /said.txt /second.txt; echo more >>/second.txt'] },
        ],
      });
      const ended = await driver.carryOut(job, { '/first.txt': 'one\n' });
      expect(stdoutOf(ended, 1)).toBe('said\none\n');
      expect(await textOf(ended.workspace, '/second.txt')).toBe('one\nmore\n');
      expect(await namesBelow(ended.workspace, '/folder')).toEqual(['/folder/f']);
    });

    it('tells of a stdin that is not there, as the fault of nobody but the request', async () => {
      const ended = await driver.carryOut(driver.job({ executors: [{ command: ['cat'], stdin: '/work/none' }] }));
      expect(ended.observation).toMatchObject({ phase: 'failed', executors: [], systemError: { retryable: false } });
      expect(ended.observation.systemError?.message).toContain('/work/none');
    });

    it('keeps the last bytes of a long stream and counts all of them', async () => {
      const job = {
        ...driver.job({ executors: [{ command: ['/bin/sh', '-c', 'head -c 3000000 /dev/zero; printf "\\303\\244end"'] }] }),
        tailBytes: 5,
      };
      const ended = await driver.carryOut(job);
      expect(ended.observation.executors[0]?.stdout).toEqual({ text: '\u00e4end', totalBytes: 3_000_005 });
      const cut = (await backend.observe([{ name: job.name, handle: ended.handle, tailBytes: 4 }], never))[0];
      expect(cut?.executors[0]?.stdout?.text).toBe('end');
    });

    it('shows a stream while the executor writes it, and from any offset', async () => {
      const job = driver.job({
        executors: [{ command: ['/bin/sh', '-c', 'echo ready; while [ ! -e /work/go ]; do sleep 0.1; done; echo done'] }],
        volumes: ['/work'],
      });
      const handle = await driver.start(job);
      await driver.untilPrinted(job, handle, 'ready');
      const live = await backend.readLog?.(job.name, handle, 0, 'stdout', 3, 100, never);
      expect(live && Buffer.from(live.bytes).toString()).toBe('dy\n');
      expect(live?.ended).toBe(false);
      await backend.cancel(job.name, handle, never);
      const after = await backend.readLog?.(job.name, handle, 0, 'stdout', 0, 5, never);
      expect(after && Buffer.from(after.bytes).toString()).toBe('ready');
      expect(await backend.readLog?.(job.name, handle, 1, 'stdout', 0, 5, never)).toBeUndefined();
    });

    it('limits memory and names the limit', async () => {
      const job = driver.job({ executors: [{ command: ['/bin/sh', '-c', 'x=a; while :; do x=$x$x; done'] }] }, { ramGb: 64 / 1024 });
      const ended = await driver.carryOut(job);
      expect(ended.observation).toMatchObject({ phase: 'failed' });
      expect(exitCodes(ended)).toEqual([137]);
      expect(ended.observation.systemLogs.join('\n')).toContain('memory limit 64 MB reached');
    });

    it.each([0.5, 1 / 3])('gives %f of a core where a task asks for it', async (cpuCores) => {
      const [script, mark] = ['echo ready; sleep 600; :', `of-${cpuCores}`];
      const job = driver.job({ executors: [{ command: ['/bin/sh', '-c', script, mark] }] }, { cpuCores });
      const handle = await driver.start(job);
      await driver.untilPrinted(job, handle, 'ready');
      expect(await coresOf(['/bin/sh', '-c', script, mark])).toBeCloseTo(cpuCores, 2);
    });

    it('ends what runs longer than it may and names the limit', async () => {
      const job = driver.job(
        {
          executors: [
            { command: ['/bin/sh', '-c', 'trap "" TERM; (setsid sleep 600 &); sleep 600'], ignore_error: true },
            { command: ['true'] },
          ],
        },
        { maxRuntimeSeconds: 1 },
      );
      const ended = await driver.carryOut(job);
      expect(ended.observation.phase).toBe('failed');
      expect(ended.observation.executors).toHaveLength(1);
      expect(exitCodes(ended)[0]).toBeGreaterThan(128);
      expect(ended.observation.systemLogs.join('\n')).toContain('time limit of 1 s reached');
    });

    it('hands files of a closed mode over to the gateway', async () => {
      const ended = await driver.shell('umask 077; mkdir -p /work/d; echo secret >/work/d/f; chmod 000 /work/d/f', { volumes: ['/work'] });
      expect(await textOf(ended.workspace, '/work/d/f')).toBe('secret\n');
      await backend.cleanup(ended.job.name, ended.handle, { failed: false }, never);
      await expect(fs.lstat(underTest().workspaceOf(workDir, ended.job.name))).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('tells a workspace that has gone from one in which nothing is', async () => {
      const ended = await driver.shell('true', { outputs: [{ path: '/work/none', url: '/x', type: 'FILE' }] });
      expect(await ended.workspace.stat('/work/none', never)).toBeUndefined();
      expect(await ended.workspace.isThere(never)).toBe(true);
      await fs.rm(underTest().workspaceOf(workDir, ended.job.name), { recursive: true });
      expect(await ended.workspace.isThere(never)).toBe(false);
      expect(await backend.workspace(ended.job, ended.handle).isThere(never)).toBe(false);
    });

    it('lists thousands of files and removes them', async () => {
      const ended = await driver.shell(
        'mkdir -p /work/many/empty; cd /work/many; i=0; while [ $i -lt 3000 ]; do : >f$i; i=$((i+1)); done',
        { volumes: ['/work'] },
      );
      expect(await namesBelow(ended.workspace, '/work/many')).toHaveLength(3001);
    });
  });
}
