import { BackendError } from '../../ports/errors';
import { part } from '../shared/job-script';
import { HOST_DIRECTORIES, type HostView, readHostDirectory } from '../shared/runtimes/host-root';
import { HostClosed } from './host-closed';
import { HostEtc } from './host-etc';
import type { JobDirectories } from './job-directories';
import type { LocalClient } from './local.client';
import type { LocalBackendSettings } from './local.settings';

const LOOK_THROUGH_MS = 120_000;

/** What bubblewrap jobs see of this machine, and what they must not see. */
export class LocalHost {
  private readonly etc: HostEtc;
  private readonly closed: HostClosed;
  private readonly isRoot = process.getuid?.() === 0;

  constructor(
    { log, name }: Pick<LocalBackendSettings, 'log' | 'name'>,
    private readonly client: LocalClient,
    private readonly directories: JobDirectories,
  ) {
    this.etc = new HostEtc(directories.etc, (left) => {
      log('warn', `/etc/${left} holds too much: jobs under bubblewrap do not see it`, { backend: name });
    });
    this.closed = new HostClosed(
      directories.closed,
      () => this.list(),
      (error) => log('warn', 'this machine was not looked through for what only root may read', { backend: name, error: String(error) }),
    );
  }

  /** Begins what the first job would wait for. */
  look(): void {
    // Said by itself, and again to that job.
    this.view().catch(() => undefined);
  }

  async view(): Promise<HostView> {
    const [etcCopy, closedList] = await Promise.all([this.etc.current(), this.isRoot ? this.closed.current() : this.directories.closed]);
    return { etcCopy, closedList, isKept: true };
  }

  private async list(): Promise<string> {
    const top = new Map(readHostDirectory('/').map((entry) => [entry.name, entry.kind]));
    const machine = HOST_DIRECTORIES.filter((name) => top.get(name) === 'directory').map((name) => `/${name}`);
    const argv = ['/bin/sh', '-c', `${part('runtimes/closed.sh')}\nlist_closed "$@"`, 'sh', ...machine];
    const answer = await this.client.command(argv, LOOK_THROUGH_MS, new AbortController().signal).catch((error: unknown) => {
      throw new BackendError("this machine's directories could not be looked through for what only root may read", {
        retryable: true,
        internal: String(error),
      });
    });
    if (answer.exitCode !== 0) throw new BackendError('closed.sh failed', { retryable: true, internal: answer.stderr.slice(0, 500) });
    return answer.stdout;
  }
}
