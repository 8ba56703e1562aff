import { BackendError } from '../../ports/errors';
import { part } from '../shared/job-script';
import { RUNTIMES } from '../shared/runtimes/runtimes';
import type { LocalClient } from './local.client';

const SWEEP_MS = 600_000;
const LOOK_AGAIN_MS = 6 * 3600_000;

/** Removes what job scripts made of image files, and learnt of images, once nobody uses it (by forget-images.sh). */
export class ImageCopies {
  private lookedAt = -Infinity;

  constructor(
    private readonly client: Pick<LocalClient, 'command'>,
    private readonly directory: string,
    private readonly now = (): number => Date.now(),
  ) {}

  /** Looks every few hours, however often it is called. Rejects when something could not be removed; it is tried again with the next call. */
  async sweep(signal: AbortSignal): Promise<void> {
    const now = this.now();
    if (Math.abs(now - this.lookedAt) < LOOK_AGAIN_MS) return;
    const engines = Object.values(RUNTIMES).flatMap(({ name, engine }) => (engine ? [name] : []));
    const text = `${part('script/forget-images.sh')}\nforget_images "$@"`;
    const argv = ['/bin/sh', '-c', text, 'sh', this.directory, engines.join(' ')];
    const { exitCode, stderr } = await this.client.command(argv, SWEEP_MS, signal);
    if (exitCode !== 0)
      throw new BackendError('copies of images could not be removed', { retryable: true, internal: stderr.slice(0, 500) });
    this.lookedAt = now;
  }
}
