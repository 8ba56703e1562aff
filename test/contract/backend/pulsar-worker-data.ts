import { createWriteStream, mkdirSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PulsarBackend } from '../../../src/backends/pulsar/pulsar.backend';
import type { PulsarBackendSettings } from '../../../src/backends/pulsar/pulsar.settings';
import type { StagerSettings } from '../../../src/backends/shared/script/script.settings';
import { layoutOf } from '../../../src/backends/shared/layout';
import { mountPlan } from '../../../src/backends/shared/mount-plan';
import { TreeWorkspace } from '../../../src/backends/shared/tree-workspace';
import type { Job, Workspace } from '../../../src/ports/execution-backend';
import type { Handle } from '../../../src/task/task-record';
import { cacheDirectory, runScript } from '../../system/engines';

/**
 * A Pulsar whose worker moves the data: what a suite stages goes into files of the worker, which is this machine, and the job's request names
 * them; what it reads of an ended job it reads in the job's trees.
 */

const shared = join(cacheDirectory, 'contract', `worker-data-${process.pid}`);
/** By job: container paths and the files that hold what is to be there. */
interface Staged {
  readonly type: 'FILE' | 'DIRECTORY';
  readonly file: string;
}
const staged = new Map<string, Map<string, Staged>>();

/** The stager of this checkout, as a host command. */
export async function stagerHere(): Promise<StagerSettings> {
  const program = join(dirname(await runScript('build-server.sh', [])), 'stager.main.js');
  mkdirSync(shared, { recursive: true });
  return {
    command: [process.execPath, program],
    files: [shared],
    transfers: { parallel: 2, tries: 1 },
    retry: { attempts: 1, firstDelayMs: 100, longestDelayMs: 1000, patienceMs: 1000, storagePatienceMs: 60_000, outputPatienceMs: 60_000 },
    storage: [{ name: 'file', schemes: ['file'], settings: { allowed: [shared] } }],
  };
}

export function removeWorkerData(): void {
  rmSync(shared, { recursive: true, force: true });
}

export class PulsarWithWorkerData extends PulsarBackend {
  constructor(
    settings: PulsarBackendSettings,
    private readonly staging: string,
  ) {
    super(settings);
  }

  override submit(job: Job, handle: Handle | undefined, signal: AbortSignal): Promise<Handle> {
    return super.submit({ ...job, request: withFiles(job) }, handle, signal);
  }

  override workspace(job: Job): Workspace {
    const trees = new TreeWorkspace(layoutOf(`${this.staging}/${job.name}/metadata/tes`), mountPlan(job.request));
    const directory = join(shared, job.name);
    const stage = (path: string, type: Staged['type']): string => {
      const files = staged.get(job.name) ?? new Map<string, Staged>();
      const file = join(directory, String(files.size));
      staged.set(job.name, files.set(path, { type, file }));
      return file;
    };
    return {
      beginInputs: async () => {
        rmSync(directory, { recursive: true, force: true });
        mkdirSync(directory, { recursive: true });
        staged.set(job.name, new Map());
      },
      write: async (path, { mode, modifiedMs }, content, signal) => {
        const file = stage(path, 'FILE');
        await pipeline(content, createWriteStream(file, { mode }), { signal });
        if (modifiedMs !== undefined) utimesSync(file, new Date(), modifiedMs / 1000);
        return { sizeBytes: 0 };
      },
      mkdir: (path) => {
        mkdirSync(stage(path, 'DIRECTORY'));
        return Promise.resolve();
      },
      symlink: (path, target) => {
        const { file = '' } = staged.get(job.name)?.get(dirname(path)) ?? {};
        symlinkSync(target, join(file, basename(path)));
        return Promise.resolve();
      },
      commitInputs: () => Promise.resolve(),
      isThere: (signal) => trees.isThere(signal),
      sizeBytes: (signal) => trees.sizeBytes(signal),
      stat: (path, signal) => trees.stat(path, signal),
      list: (path, signal) => trees.list(path, signal),
      read: (path, signal) => trees.read(path, signal),
    };
  }
}

/** Inputs that were never staged are left out, as in a suite's other backends; outputs go where nobody looks. */
function withFiles({ name, request }: Job): Job['request'] {
  const files = staged.get(name) ?? new Map<string, Staged>();
  return {
    ...request,
    ...(request.inputs && {
      inputs: [...files].map(([path, { type, file }]) => ({ type, path, url: `file://${file}` })),
    }),
    ...(request.outputs && {
      outputs: request.outputs.map((output, index) => ({ ...output, url: `file://${shared}/${name}-outputs/${index}` })),
    }),
  };
}
