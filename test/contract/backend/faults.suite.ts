import { execFile, execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionBackend, Job } from '../../../src/ports/execution-backend';
import { membersOf } from '../../support/members';
import type { Engine } from '../../system/engines';
import {
  type BackendUnderTest,
  type Ended,
  eventually,
  exitCodes,
  JobDriver,
  type JobRequest,
  makeWorkDirectory,
  processesOf,
  withDriver,
} from './execution-backend.fixture';

const runFile = promisify(execFile);
const never = new AbortController().signal;
const DISK_MB = 24;
const MOST_NAMES = 2000;
/** More than half of the disk: it fits once, and its copy beside it does not. */
const ONCE = 14_000_000;
const TOO_MUCH = 40_000_000;

const sh = (script: string): { command: string[] } => ({ command: ['/bin/sh', '-c', script] });
const output = (path: string, more: object = {}): NonNullable<JobRequest['outputs']> => [{ path, url: '/x', type: 'FILE', ...more }];

/** Each way in which a job's bytes reach the disk of the workspaces; the program itself takes no notice that there is no room. */
const ways: readonly { readonly way: string; readonly request: JobRequest; readonly files?: Readonly<Record<string, Buffer>> }[] = [
  {
    way: 'a stream',
    request: { outputs: output('/o/out'), executors: [{ ...sh(`head -c ${TOO_MUCH} /dev/zero; exit 0`), stdout: '/o/out' }] },
  },
  { way: 'a file', request: { outputs: output('/o/x'), executors: [sh(`head -c ${TOO_MUCH} /dev/zero >/o/x 2>/dev/null; exit 0`)] } },
  {
    way: 'a directory',
    request: {
      outputs: output('/o/d', { type: 'DIRECTORY' }),
      executors: [sh(`mkdir -p /o/d; for n in 1 2 3 4; do head -c ${TOO_MUCH / 4} /dev/zero >/o/d/$n 2>/dev/null; done; exit 0`)],
    },
  },
  {
    way: 'a wildcard',
    request: {
      outputs: output('/o/*.bin', { path_prefix: '/o' }),
      executors: [sh(`for n in 1 2 3 4; do head -c ${TOO_MUCH / 4} /dev/zero >/o/$n.bin 2>/dev/null; done; exit 0`)],
    },
  },
  {
    way: 'names, of which the disk has no more',
    request: {
      outputs: output('/o/*', { path_prefix: '/o' }),
      executors: [sh('true'), sh(`n=0; while [ $n -lt ${2 * MOST_NAMES} ]; do { true >/o/$n; } 2>/dev/null; n=$((n + 1)); done; exit 0`)],
    },
  },
  {
    way: 'a file in /',
    request: { outputs: output('/out.bin'), executors: [sh(`head -c ${TOO_MUCH} /dev/zero >/out.bin 2>/dev/null; exit 0`)] },
  },
  {
    way: 'a wildcard in /',
    request: {
      outputs: output('/*.bin', { path_prefix: '/' }),
      executors: [sh(`head -c ${TOO_MUCH} /dev/zero >/out.bin 2>/dev/null; exit 0`)],
    },
  },
  {
    way: 'the copy of a stream',
    request: {
      volumes: ['/o'],
      outputs: output('/o/out'),
      executors: [{ ...sh(`head -c ${ONCE} /dev/zero`), stdout: '/o/out' }, sh('true')],
    },
  },
  {
    way: 'the copy of stdin',
    request: { inputs: [{ path: '/w/in', type: 'FILE' }], executors: [{ command: ['cat'], stdin: '/w/in' }] },
    files: { '/w/in': Buffer.alloc(ONCE) },
  },
];

/** What a backend of this machine promises when the disk of its workspaces is full. */
export function describeFullDisk(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: the disk of the workspaces is full`, () => {
    let workDir: string;
    let driver: JobDriver;
    beforeAll(async () => {
      workDir = await makeWorkDirectory(`${name}-small`);
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,nr_inodes=${MOST_NAMES}`, 'tmpfs', workDir]);
      const backend = underTest().make(workDir);
      await backend.start(never);
      driver = new JobDriver(backend, underTest().images);
    });
    afterEach(() => driver.cleanAll());
    afterAll(async () => {
      await driver.backend.close?.();
      execFileSync('umount', ['-l', workDir]);
      await fs.rm(workDir, { recursive: true });
    });

    it.each(ways)('says so of $way, and that another attempt may help', async ({ request, files }) => {
      const { observation } = await driver.carryOut(driver.job(request), files);
      expect(observation).toMatchObject({
        phase: 'failed',
        systemError: {
          message: expect.stringContaining('the disk of the workspaces is full: make room where work_dir') as string,
          retryable: true,
        },
      });
    });

    it('has room for the stream of the last executor, of which there is no second copy', async () => {
      const job = driver.job({ outputs: output('/o/out'), executors: [{ ...sh(`head -c ${ONCE} /dev/zero`), stdout: '/o/out' }] });
      const { observation, workspace } = await driver.carryOut(job);
      expect(observation).toMatchObject({ phase: 'succeeded', executors: [{ exitCode: 0, stdout: { totalBytes: ONCE } }] });
      expect(await workspace.stat('/o/out', never)).toMatchObject({ kind: 'file', sizeBytes: ONCE });
    });

    it('cancels a program that has left the disk neither room nor names', async () => {
      const fill = `n=0; while [ $n -lt ${MOST_NAMES} ]; do { true >/o/$n; } 2>/dev/null; n=$((n + 1)); done; cat /dev/zero >/o/0`;
      // Again and again: what the job script removes in between, such as a file that it renames, would be free for ever.
      const job = driver.job({
        volumes: ['/o'],
        executors: [sh(`while :; do { ${fill}; } 2>/dev/null; echo ready >&2; echo ready; sleep 1; done`)],
      });
      const handle = await driver.start(job);
      const taken = async (): Promise<true | undefined> => {
        const { bfree, ffree } = await fs.statfs(workDir);
        return bfree === 0 && ffree === 0 ? true : undefined;
      };
      await eventually('a full disk', taken);
      await driver.backend.cancel(job.name, handle, never);
      expect(await underTest().leftovers(job.name)).toEqual([]);
    });

    it('cancels a job whose inputs have left the disk no names, before it was handed over', async () => {
      const job = driver.job({ inputs: [{ path: '/in', type: 'DIRECTORY' }], executors: [sh('true')] });
      const files = Array.from({ length: MOST_NAMES }, (_, number) => [`/in/${number}`, ''] as const);
      await expect(driver.prepare(job, Object.fromEntries(files))).rejects.toMatchObject({ retryable: true });
      expect((await fs.statfs(workDir)).ffree).toBe(0);
      await driver.backend.cancel(job.name, undefined, never);
      expect((await fs.statfs(workDir)).ffree).toBeGreaterThan(0);
    });

    it('carries the next job through', async () => {
      await driver.shell(`head -c ${TOO_MUCH} /dev/zero >/o/x`, { volumes: ['/o'] });
      await driver.cleanAll();
      expect((await driver.shell('echo x >/o/x', { volumes: ['/o'] })).observation.phase).toBe('succeeded');
    });
  });
}

/** What a backend whose runtime is the parent of the program says when somebody kills a process of that runtime's (its name in `comm`). */
export function describeKilledRuntime(name: string, underTest: () => BackendUnderTest, processes: readonly string[]): void {
  describe(`${name}: processes of the runtime that somebody else kills`, () => {
    let driver: JobDriver;
    withDriver(name, underTest, (made) => {
      ({ driver } = made);
    });

    it.each(processes)('are no end of the program: %s', async (victim) => {
      const job = driver.job({ executors: [sh('echo ready; sleep 600')] });
      const handle = await driver.start(job);
      await driver.untilPrinted(job, handle, 'ready');
      const victims = (await membersOf(job.name)).filter((member) => member.name === victim);
      for (const { pid } of victims) process.kill(pid, 'SIGKILL');
      const { observation } = await driver.ended(job, handle);
      expect(observation).toMatchObject({
        phase: 'failed',
        systemError: { message: 'the processes of executor 0 were killed from outside', retryable: true },
      });
    });

    it('are not meant where a program ends itself so', async () => {
      const { observation } = await driver.shell('kill -KILL $$');
      expect([observation.phase, observation.executors[0]?.exitCode, observation.systemError]).toEqual(['failed', 137, undefined]);
    });
  });
}

/** Whom a backend that starts containers blames. */
export function describeBlame(name: string, engine: () => Engine, underTest: () => BackendUnderTest): void {
  describe(`${name}: whose fault it is`, () => {
    let backend: ExecutionBackend;
    let driver: JobDriver;
    withDriver(name, underTest, (made) => {
      ({ backend, driver } = made);
    });
    const ownFault = (ended: Ended): unknown => [ended.observation.phase, exitCodes(ended), ended.observation.systemError];

    // Through `create`, `cp`, `start`, and through `run`.
    it.each([{}, { stdout: '/out.txt' }])('is the program that cannot be started (%j)', async (more) => {
      const inputs = [{ path: '/w/plain', type: 'FILE' as const }];
      const run = async (...command: string[]): Promise<unknown> =>
        ownFault(await driver.carryOut(driver.job({ inputs, executors: [{ command, ...more }] }), { '/w/plain': 'x' }));
      expect(await run('no-such-program')).toEqual(['failed', [127], undefined]);
      expect(await run('/w/none/at-all')).toEqual(['failed', [127], undefined]);
      expect(await run('/w/plain')).toEqual(['failed', [126], undefined]);
      expect(await run('/bin/sh', '-c', 'exit 127')).toEqual(['failed', [127], undefined]);
      expect(await run('/bin/sh', '-c', 'exit 125')).toEqual(['failed', [125], undefined]);
    });

    it('is the system when the command that watches a container was killed', async () => {
      const job = driver.job({ executors: [sh('echo ready; sleep 600')] });
      const handle = await driver.start(job);
      await driver.untilPrinted(job, handle, 'ready');
      for (const pid of await commandsOf(job, name)) process.kill(pid, 'SIGKILL');
      const ended = await driver.ended(job, handle);
      expect(ended.observation).toMatchObject({ phase: 'failed', systemError: { retryable: true } });
      expect(ended.observation.systemError?.message).toContain('the watcher of its container was gone');
      await backend.cleanup(job.name, handle, { failed: true }, never);
      expect(await eventually('no container', async () => ((await underTest().leftovers(job.name)).length === 0 ? true : undefined))).toBe(
        true,
      );
    });

    // podman keeps no account of that.
    if (name === 'docker') {
      it('is the system when docker was asked to end the container, and the program when that ended itself', async () => {
        const job = driver.job({ executors: [sh('echo ready; sleep 600')] });
        const handle = await driver.start(job);
        await driver.untilPrinted(job, handle, 'ready');
        await runFile(name, ['kill', `${job.name}-0`], { env: { ...process.env, ...engine().env } });
        const { observation } = await driver.ended(job, handle);
        expect(observation).toMatchObject({ phase: 'failed', systemError: { retryable: true } });
        expect(observation.systemError?.message).toMatch(/was killed from outside: by docker/);
        expect(ownFault(await driver.shell('sh -c "kill -9 \\$\\$"'))).toEqual(['failed', [137], undefined]);
      });
    }

    it('names the ENTRYPOINT of an image in which the program is not found', async () => {
      const { env } = engine();
      const options = { env: { ...process.env, ...env } };
      const image = 'localhost/with-entrypoint:latest';
      const made = `entrypoint-${process.pid}`;
      await runFile(name, ['create', '--name', made, driver.images.busybox, 'true'], options);
      try {
        await runFile(name, ['commit', '--change', 'ENTRYPOINT ["/bin/tool","-x"]', made, image], options);
      } finally {
        await runFile(name, ['rm', '-f', made], options);
      }
      const ended = await driver.carryOut(driver.job({ executors: [{ image, command: ['--version'] }] }));
      expect(ownFault(ended)).toEqual(['failed', [127], undefined]);
      expect(ended.observation.systemLogs.join('\n')).toContain(`the ENTRYPOINT of ${image}, ["/bin/tool","-x"], is not used`);
    });
  });
}

/** The engine's own commands that a job has started. */
async function commandsOf(job: Job, engine: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const entry of await processesOf(job.name)) {
    const pid = Number(entry.split(' ')[1]);
    const words = (await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words[0] === engine && (words[1] === 'run' || words[1] === 'start')) found.push(pid);
  }
  return found;
}
