import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brokenDetail, systemErrorOf } from '../../../../../src/backends/shared/job-faults';
import type { JobFacts } from '../../../../../src/backends/shared/job-facts';
import { manifest } from '../../../../../src/backends/shared/job-manifest';
import { parseProgress } from '../../../../../src/backends/shared/job-progress';
import { hintsOf } from '../../../../../src/backends/shared/job-report';
import { scriptFor } from '../../../../../src/backends/shared/job-script';
import { layoutOf } from '../../../../../src/backends/shared/layout';
import { mountPlan } from '../../../../../src/backends/shared/mount-plan';
import { settingsSchema } from '../../../../../src/config/settings-schema';
import { OWNER } from '../../../../support/records';
import type { JobRequest } from '../../../../contract/backend/execution-backend.fixture';

export interface FakeJob {
  readonly runtime?: 'docker' | 'podman';
  /** False: trees travel by the engine's own copy. */
  readonly asRoot?: boolean;
  readonly request: JobRequest;
  /** What the program in the container does, as `sh` would; it stands in the root of the container. */
  readonly program?: string;
  /** By verb of the engine (`cp`, `image-inspect`), or name of a program of the system (`tool-cp`): shell text that is read before it. */
  readonly faults?: Readonly<Record<string, string>>;
  /** What the engine says of the container afterwards: state, code, whether memory ran out, its own words. By default what the program made of it. */
  readonly state?: string;
  readonly entrypoint?: string;
  /** The image is this file; what takes its names out is `tool-unname`. */
  readonly imageFile?: string;
  /** Key of the owner of the task, and whether the plan has a login of its own for the image. */
  readonly owner?: string;
  readonly login?: true;
  readonly pull?: 'always' | 'missing' | 'never';
  readonly trees?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly seconds?: number;
  /** Lines of the plan that count instead of its own. */
  readonly plan?: string;
}

export interface FakeEnded {
  readonly ending: string | undefined;
  readonly codes: readonly (number | undefined)[];
  readonly error: string | undefined;
  readonly retryable: boolean | undefined;
  readonly hints: readonly string[];
  /** Calls of the engine: verb, then all words. */
  readonly calls: readonly string[];
  /** Text of a file in the workspace; `undefined` when there is none. */
  file(name: string): string | undefined;
}

/** Renders a job's script and plan as the gateway does, and runs it with `sh`, the fake engine and the fake tools in front of the others. */
export async function runFake(directory: string, job: FakeJob): Promise<FakeEnded> {
  const fake = join(directory, 'fake');
  const layout = layoutOf(join(directory, 'job'));
  const runtime = job.runtime ?? 'docker';
  for (const place of [join(fake, 'bin'), join(fake, 'container'), layout.streams, layout.plan]) mkdirSync(place, { recursive: true });
  install('fake-engine.sh', join(fake, 'bin', runtime));
  for (const [name, text] of Object.entries(job.faults ?? {})) {
    writeFileSync(join(fake, name), text);
    if (name.startsWith('tool-')) install('fake-tool.sh', join(fake, 'bin', name.slice('tool-'.length)));
  }
  if (job.program !== undefined) writeFileSync(join(fake, 'program'), job.program);
  if (job.state !== undefined) writeFileSync(join(fake, 'state'), `${job.state}\n`);
  if (job.entrypoint !== undefined) writeFileSync(join(fake, 'entrypoint'), job.entrypoint);
  const request = { ...job.request, executors: job.request.executors.map((executor) => ({ image: 'localhost/x', ...executor })) };
  const plan = mountPlan(request);
  for (const tree of ['root', ...plan.roots.map((root) => root.tree)]) mkdirSync(join(layout.trees, tree), { recursive: true });
  for (const { path } of plan.roots) mkdirSync(join(fake, 'container', path), { recursive: true });
  for (const [name, text] of Object.entries(job.trees ?? {})) writeFileSync(join(layout.trees, name), text);
  for (const [name, target] of Object.entries(job.links ?? {})) symlinkSync(target, join(layout.trees, name));
  const files = manifest(
    {
      taskId: 'a',
      attempt: 1,
      name: 'tes-a-1',
      owner: job.owner === undefined ? OWNER : { key: job.owner },
      tailBytes: 1000,
      request,
      needs: {
        cpuCores: 1,
        ramGb: 1,
        parameterKeys: [],
        strict: false,
        maxRuntimeSeconds: job.seconds ?? 60,
        hasInputs: false,
        hasOutputs: false,
        executorCount: 1,
      },
    },
    plan,
    {
      runtime,
      instance: 'i',
      network: 'default',
      layout,
      mark: join(directory, 'mark'),
      killGraceSeconds: 1,
      pidsLimit: 100,
      machineCores: 2,
      asRoot: job.asRoot ?? true,
      capabilities: settingsSchema.local.capabilities.default,
      selinux: false,
      cgroups: [],
      overlay: false,
      imagesDirectory: join(directory, 'images'),
      knownImages: new Map(),
      unnameImage: ['unname'],
      images: request.executors.map(({ image }) =>
        job.imageFile === undefined
          ? { kind: 'registry', reference: image, pull: job.pull ?? 'missing', ...(job.login && { login: true }) }
          : { kind: 'file', path: job.imageFile, within: ['/'] },
      ),
      readHost: () => [],
      readTree: () => new Set(),
    },
  );
  for (const [name, text] of files) writeFileSync(join(layout.plan, name), name === 'plan.sh' ? `${text}${job.plan ?? ''}\n` : text);
  if (job.login) writeFileSync(join(layout.plan, 'config.json'), `logins of ${job.owner}`);
  writeFileSync(join(directory, 'script'), scriptFor(runtime));
  await run(join(directory, 'script'), layout.directory, fake);
  return ended(fake, layout.directory, JSON.parse(files.get('facts.json') ?? '') as JobFacts);
}

function install(name: string, target: string): void {
  copyFileSync(join(__dirname, name), target);
  chmodSync(target, 0o755);
}

async function run(script: string, workspace: string, fake: string): Promise<void> {
  await new Promise<void>((resolve) => {
    execFile('sh', [script, workspace], { env: { ...process.env, PATH: `${join(fake, 'bin')}:${process.env['PATH']}`, FAKE: fake } }, () =>
      resolve(),
    );
  });
}

async function ended(fake: string, workspace: string, facts: JobFacts): Promise<FakeEnded> {
  const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
  const progress = parseProgress(read(join(workspace, 'result')) ?? '');
  const detail = await brokenDetail(progress, dirname(workspace), async (stream) => read(join(workspace, stream)));
  const fault = systemErrorOf(progress, facts, detail);
  return {
    ending: progress.ending,
    codes: progress.executors.map(({ exitCode }) => exitCode),
    error: fault?.message,
    retryable: fault?.retryable,
    hints: hintsOf(progress, facts),
    calls: (read(join(fake, 'calls')) ?? '').trim().split('\n'),
    file: (name) => read(join(workspace, name)),
  };
}
