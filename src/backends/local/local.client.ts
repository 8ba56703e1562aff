import { execFile } from 'node:child_process';
import { machineError } from '../shared/workspace-errors';
import { LocalLauncher } from './local-launcher';
import { LocalThread } from './local-thread';
import { COMMAND_ENVIRONMENT } from './local.settings';

/** Enough to find the host's own programs; never the gateway's whole environment. */
const COMMAND_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MOST_OUTPUT_BYTES = 16 << 20;

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts processes. Nothing here knows tasks or containers. */
export class LocalClient {
  private readonly running = new Set<string>();
  private readonly launcher: LocalLauncher;
  private readonly removals = new LocalThread();
  readonly environment: Readonly<Record<string, string>>;

  constructor(environment: Readonly<Record<string, string>> = {}) {
    const known = new Set<string>(COMMAND_ENVIRONMENT);
    this.environment = {
      PATH: COMMAND_PATH,
      ...Object.fromEntries(Object.entries(environment).filter(([name]) => known.has(name.toUpperCase()))),
    };
    this.launcher = new LocalLauncher(this.environment);
  }

  /** True while a script that this process started lives. */
  isChild(jobName: string): boolean {
    return this.running.has(jobName);
  }

  /**
   * Starts a job script in a session of its own, with nothing tied to this process: it lives on when the gateway ends, however
   * that happens. Resolves when the process exists. `ended` is called when it exits while this process lives.
   */
  async startScript(jobName: string, script: string, directory: string, ended: () => void): Promise<void> {
    const gone = (): void => {
      this.running.delete(jobName);
      ended();
    };
    try {
      // Known before it is: its end may be told at once.
      this.running.add(jobName);
      await this.launcher.start(jobName, script, directory, gone);
    } catch (error) {
      this.running.delete(jobName);
      throw machineError('start a job', error);
    }
  }

  /** Removes a tree without holding anything up; rejects with the file system's error. */
  remove(path: string): Promise<void> {
    return this.removals.remove(path);
  }

  /** The shell and the thread, while this process is small and still has what they need. */
  open(): void {
    this.launcher.open();
    this.removals.open();
  }

  /** What was started lives on. */
  async close(): Promise<void> {
    this.launcher.close();
    await this.removals.close();
  }

  /** Carries a command out to its end, without a shell. Any exit code resolves; only a command that cannot be started rejects. */
  command(argv: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<CommandResult> {
    const [file = '', ...rest] = argv;
    return new Promise((resolve, reject) => {
      const options = {
        env: this.environment,
        cwd: '/',
        signal,
        timeout: timeoutMs,
        killSignal: 'SIGKILL' as const,
        maxBuffer: MOST_OUTPUT_BYTES,
      };
      execFile(file, rest, options, (error, stdout, stderr) => {
        if (!error) resolve({ exitCode: 0, stdout, stderr });
        else if (typeof error.code === 'number') resolve({ exitCode: error.code, stdout, stderr });
        else reject(error);
      });
    });
  }
}
