import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionBackend, Job, Workspace } from '../../../src/ports/execution-backend';
import type { Observation } from '../../../src/task/observation';
import { type Handle, jobName } from '../../../src/task/task-record';
import type { TesExecutor, TesTaskRequest } from '../../../src/task/tes';
import { cacheDirectory, type EngineImages } from '../../system/engines';
import { OWNER } from '../../support/records';

/** What a contract suite needs to know of the adapter under test. */
export interface BackendUnderTest {
  readonly images: EngineImages;
  /** False where an image is only recorded (bubblewrap): what an image brings is then not tested. */
  readonly usesImages: boolean;
  /** Variables to which the runtime adds something of its own, as its table of abilities says; all others arrive byte for byte or are refused. */
  readonly changedVariables: readonly string[];
  /** Part of the environment the adapter works with; no job may see it. */
  readonly gatewaySecret: string;
  /** A new backend object over the same work directory, as a restarted gateway would make it. */
  make(workDir: string): ExecutionBackend;
  /** The same with a grace from TERM to KILL that no busy machine uses up. */
  makePatient(workDir: string): ExecutionBackend;
  /** The workspace of a job, seen from this machine, where the job runs too. */
  workspaceOf(workDir: string, jobName: string): string;
  /** Processes and containers that still belong to the job. */
  leftovers(jobName: string): Promise<readonly string[]>;
}

const PATIENCE_MS = 60_000;
/** More for each executor: fourteen containers one after the other take a minute on a machine that does much else. */
const EXECUTOR_MS = 3000;
const never = new AbortController().signal;

/** Looks again and again until there is an answer; fails with `what` after a minute. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, patienceMs = PATIENCE_MS): Promise<T> {
  const until = performance.now() + patienceMs;
  while (performance.now() < until) {
    const answer = await look();
    if (answer !== undefined) return answer;
    await pause(20);
  }
  throw new Error(`waited in vain: ${what}`);
}

export interface Ended {
  readonly job: Job;
  readonly handle: Handle;
  readonly observation: Observation;
  readonly workspace: Workspace;
}

/** A request whose executors need not name an image. */
export type JobRequest = Omit<Partial<TesTaskRequest>, 'executors'> & {
  readonly executors: readonly (Omit<TesExecutor, 'image'> & { readonly image?: string })[];
};

/** Plays the engine's part: the steps of `submit`, staging, looking, cleaning. */
export class JobDriver {
  readonly jobs: { job: Job; handle?: Handle }[] = [];

  constructor(
    readonly backend: ExecutionBackend,
    readonly images: EngineImages,
  ) {}

  job(request: JobRequest, needs: Partial<Job['needs']> = {}): Job {
    const taskId = randomBytes(8).toString('hex');
    const executors = request.executors.map((executor) => ({ ...executor, image: executor.image ?? this.images.busybox }));
    return {
      taskId,
      attempt: 1,
      name: jobName(taskId, 1),
      owner: OWNER,
      tailBytes: 16384,
      request: { ...request, executors },
      needs: {
        cpuCores: 1,
        ramGb: 0.25,
        parameterKeys: [],
        strict: false,
        maxRuntimeSeconds: 600,
        hasInputs: false,
        hasOutputs: false,
        executorCount: executors.length,
        ...needs,
      },
    };
  }

  async prepare(job: Job, files: Readonly<Record<string, string | Buffer>> = {}): Promise<Handle> {
    const entry: { job: Job; handle?: Handle } = { job };
    this.jobs.push(entry);
    const handle = await this.submit(job, undefined);
    entry.handle = handle;
    const workspace = this.backend.workspace(job, handle);
    await workspace.beginInputs(never);
    for (const [path, content] of Object.entries(files))
      await workspace.write(path, { mode: 0o644 }, Readable.from([Buffer.from(content)]), never);
    await workspace.commitInputs(never);
    return handle;
  }

  async start(job: Job, files: Readonly<Record<string, string | Buffer>> = {}): Promise<Handle> {
    return this.submit(job, await this.prepare(job, files));
  }

  /** One step of it, whose successor need not wait. */
  async submit(job: Job, before: Handle | undefined): Promise<Handle> {
    const done = await this.backend.submit(job, before, never);
    if ('againMs' in done) throw new Error(`the next step would have to wait ${done.againMs} ms`);
    return done;
  }

  async look(job: Job, handle: Handle): Promise<Observation | undefined> {
    return (await this.backend.observe([{ name: job.name, handle, tailBytes: job.tailBytes }], never))[0];
  }

  async untilPhase(job: Job, handle: Handle, ...phases: Observation['phase'][]): Promise<Observation> {
    const look = async (): Promise<Observation | undefined> => {
      const observation = await this.look(job, handle);
      return observation && phases.includes(observation.phase) ? observation : undefined;
    };
    const patienceMs = PATIENCE_MS + (job.request.executors.length - 1) * EXECUTOR_MS;
    return eventually(`${job.name} ${phases.join(' or ')}`, look, patienceMs);
  }

  /** Until the executor that runs has written this to its stdout. */
  async untilPrinted(job: Job, handle: Handle, text: string): Promise<void> {
    await eventually(`${job.name} prints ${text}`, async () => {
      const observation = await this.look(job, handle);
      return observation?.running?.stdout?.text.includes(text) === true || undefined;
    });
  }

  async ended(job: Job, handle: Handle): Promise<Ended> {
    const observation = await this.untilPhase(job, handle, 'succeeded', 'failed', 'preempted', 'lost');
    return { job, handle, observation, workspace: this.backend.workspace(job, handle) };
  }

  async carryOut(job: Job, files: Readonly<Record<string, string | Buffer>> = {}): Promise<Ended> {
    return this.ended(job, await this.start(job, files));
  }

  /** A shell script as the only executor. */
  async shell(
    script: string,
    rest: Omit<JobRequest, 'executors'> = {},
    files: Readonly<Record<string, string | Buffer>> = {},
  ): Promise<Ended> {
    return this.carryOut(this.job({ ...rest, executors: [{ command: ['/bin/sh', '-c', script] }] }), files);
  }

  async cleanAll(): Promise<void> {
    for (const { job, handle } of this.jobs.splice(0)) {
      await this.backend.cancel(job.name, handle, never);
      await this.backend.cleanup(job.name, handle, { failed: false }, never);
    }
  }
}

export async function textOf(workspace: Workspace, path: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await workspace.read(path, never)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

export async function namesBelow(workspace: Workspace, path: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entry of workspace.list(path, never)) names.push(`${entry.path}${entry.kind === 'directory' ? '/' : ''}`);
  return names;
}

export const stdoutOf = (ended: Ended, executor = 0): string => ended.observation.executors[executor]?.stdout?.text ?? '';
export const exitCodes = (ended: Ended): readonly number[] => ended.observation.executors.map((executor) => executor.exitCode);

/** A fresh directory for one suite, outside the checkout. */
export async function makeWorkDirectory(name: string): Promise<string> {
  const parent = join(cacheDirectory, 'contract');
  await fs.mkdir(parent, { recursive: true });
  return fs.mkdtemp(join(parent, `${name}-`));
}

/** Whatever a backend that was closed is still copying there: the machine's /etc, with its first jobs. */
export function removeWorkDirectory(directory: string): Promise<void> {
  return fs.rm(directory, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
}

/** Processes of this machine that carry the job's name in their environment. */
export async function processesOf(name: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await fs.readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const environment = await fs.readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    const state = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
    if (environment.split('\0').includes(`TES_GATEWAY_JOB=${name}`) && !/\) [ZX]/.test(state)) found.push(`process ${pid}`);
  }
  return found;
}

/** How many cores the kernel gives a process of this machine that has exactly this command. */
export async function coresOf(command: readonly string[]): Promise<number> {
  for (const pid of (await fs.readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const words = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (words !== command.map((word) => `${word}\0`).join('')) continue;
    const groups = await fs.readFile(`/proc/${pid}/cgroup`, 'utf8');
    const [, v1] = /^\d+:(?:cpu|cpu,.*|.*,cpu):(.*)$/m.exec(groups) ?? [];
    const read = (file: string): Promise<string> => fs.readFile(`/sys/fs/cgroup/${file}`, 'utf8');
    if (v1 !== undefined) return Number(await read(`cpu${v1}/cpu.cfs_quota_us`)) / Number(await read(`cpu${v1}/cpu.cfs_period_us`));
    const [, v2 = ''] = /^0::(.*)$/m.exec(groups) ?? [];
    const [quota, period] = (await read(`${v2}/cpu.max`)).split(' ').map(Number);
    return (quota ?? NaN) / (period ?? NaN);
  }
  throw new Error(`no process has the command ${command.join(' ')}`);
}

/** One backend for the tests of a suite; every job is cleaned after its test. */
export function withDriver(
  name: string,
  underTest: () => BackendUnderTest,
  give: (made: { readonly backend: ExecutionBackend; readonly driver: JobDriver; readonly workDir: string }) => void,
): void {
  let workDir: string;
  let driver: JobDriver;
  beforeAll(async () => {
    workDir = await makeWorkDirectory(name);
    const backend = underTest().make(workDir);
    await backend.start(never);
    driver = new JobDriver(backend, underTest().images);
    give({ backend, driver, workDir });
  });
  afterEach(() => driver.cleanAll());
  afterAll(async () => {
    await driver.backend.close?.();
    await removeWorkDirectory(workDir);
  });
}
