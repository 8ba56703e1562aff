import { type Dirent, promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { RUNTIMES } from '../shared/runtimes/runtimes';
import { isMissing } from '../shared/workspace-errors';
import type { ContainerEngine } from './container-engine';
import type { JobDirectories } from './job-directories';

const DAY_MS = 24 * 3600_000;
/** A copy that no job has used for so long is removed, ms. It is made again when one needs it. */
const UNUSED_MS = 7 * DAY_MS;
/** Longer than a job may take to make one, ms. */
const HALF_MADE_MS = DAY_MS;
const LOOK_AGAIN_MS = 6 * 3600_000;

/** IDENTITY.used says when the copy was last used: for docker and podman a name of the engine's, for apptainer IDENTITY.sif (image-files.sh). */
const USED = /^(.+)\.used$/;
const HALF_MADE = /\.sif\.tes-[^/]*$/;

/**
 * What job scripts made of image files, and what they learnt of images, which nobody else removes. Images that came from registries stay, as
 * those of the engines do: what a name means there may have changed since.
 */
export class ImageCopies {
  private lookedAt = -Infinity;

  constructor(
    private readonly directories: Pick<JobDirectories, 'images'>,
    private readonly engines: ReadonlyMap<RuntimeName, Pick<ContainerEngine, 'removeImage'>>,
    private readonly now = (): number => Date.now(),
  ) {}

  /** Looks every few hours, however often it is called. Rejects when something could not be removed; it is tried again with the next call. */
  async sweep(signal: AbortSignal): Promise<void> {
    const now = this.now();
    if (Math.abs(now - this.lookedAt) < LOOK_AGAIN_MS) return;
    for (const { name, usesImages } of Object.values(RUNTIMES)) if (usesImages) await this.sweepOf(name, now, signal);
    this.lookedAt = now;
  }

  private async sweepOf(runtime: RuntimeName, now: number, signal: AbortSignal): Promise<void> {
    const directory = this.directories.images(runtime);
    for (const entry of await entriesOf(directory)) {
      signal.throwIfAborted();
      const path = join(directory, entry.name);
      const identity = USED.exec(entry.name)?.[1];
      if (entry.isDirectory()) await removeOld(path, now - UNUSED_MS);
      else if (HALF_MADE.test(entry.name)) await removeIfOld(path, now - HALF_MADE_MS);
      else if (identity !== undefined && (await isOld(path, now - UNUSED_MS))) {
        if (await this.removeCopy(runtime, identity, signal)) await fs.rm(path, { force: true });
      }
    }
  }

  private async removeCopy(runtime: RuntimeName, identity: string, signal: AbortSignal): Promise<boolean> {
    const engine = this.engines.get(runtime);
    if (engine) return engine.removeImage(`localhost/tes-gateway-file:${identity}`, signal);
    await fs.rm(join(this.directories.images(runtime), `${identity}.sif`), { force: true });
    return true;
  }
}

async function entriesOf(directory: string): Promise<readonly Dirent[]> {
  try {
    return await fs.readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** What was learnt of one image (`fill_root` in containers.sh): a script that finds nothing looks again. */
async function removeOld(directory: string, before: number): Promise<void> {
  for (const { name } of await entriesOf(directory)) await removeIfOld(join(directory, name), before);
}

async function removeIfOld(path: string, before: number): Promise<void> {
  if (await isOld(path, before)) await fs.rm(path, { force: true });
}

async function isOld(path: string, before: number): Promise<boolean> {
  try {
    return (await fs.lstat(path)).mtimeMs < before;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
