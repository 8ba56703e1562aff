import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { BackendError } from '../../ports/errors';

type Shell = ChildProcessByStdio<Writable, Readable, null>;

interface Order {
  readonly started: () => void;
  readonly failed: (error: Error) => void;
  readonly ended: () => void;
  pid?: string;
  over: boolean;
}

/**
 * One small shell (`launcher.sh`) that starts job scripts; begun with the first order or before. If it dies, nobody can tell any
 * more what becomes of its scripts (they live on), and the next order begins another.
 */
export class LocalLauncher {
  private shell: Shell | undefined;
  private readonly orders = new Map<string, Order>();
  private nextId = 1;

  constructor(private readonly environment: Readonly<Record<string, string>>) {}

  /** Begins the shell while this process is still small. */
  open(): void {
    this.shell ??= this.begin();
  }

  /**
   * Starts a script in a session of its own. Resolves when its process exists; `ended` is called once, when it has ended or when
   * nobody can tell any more.
   */
  start(jobName: string, script: string, directory: string, ended: () => void): Promise<void> {
    if (/\n/.test(script + directory)) {
      throw new BackendError('the work directory has a line break in its name (setting work_dir)', { retryable: false });
    }
    const id = String(this.nextId);
    this.nextId += 1;
    return new Promise((resolve, reject) => {
      this.orders.set(id, { started: resolve, failed: reject, ended, over: false });
      this.open();
      this.shell?.stdin.write(`start ${id} ${jobName}\n${script}\n${directory}\n`);
    });
  }

  /** Scripts that were started live on. */
  close(): void {
    this.shell?.stdin.end();
  }

  private begin(): Shell {
    const shell = spawn('/bin/sh', ['-c', readFileSync(join(__dirname, 'launcher.sh'), 'utf8'), 'tes-gateway-launcher'], {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      env: { ...this.environment },
    });
    const lost = (error: Error): void => this.lost(shell, error);
    shell.on('error', lost);
    shell.on('exit', () => lost(new Error('the launcher of job scripts has ended')));
    // Its death is told by `exit`; a write that fails because of it says nothing new.
    shell.stdin.on('error', () => undefined);
    createInterface(shell.stdout).on('line', (line) => this.heard(line));
    shell.unref();
    for (const pipe of [shell.stdin, shell.stdout]) if (pipe instanceof Socket) pipe.unref();
    return shell;
  }

  /** The end of a very short script may be told before its start. */
  private heard(line: string): void {
    const [word, id = '', pid] = line.split(' ');
    const order = this.orders.get(id);
    if (order === undefined) return;
    order.started();
    if (word === 'started' && pid !== undefined) order.pid = pid;
    if (word === 'ended') {
      order.over = true;
      order.ended();
    }
    if (order.over && order.pid !== undefined) {
      this.orders.delete(id);
      this.shell?.stdin.write(`reap ${order.pid}\n`);
    }
  }

  private lost(shell: Shell, error: Error): void {
    if (this.shell !== shell) return;
    this.shell = undefined;
    const orders = [...this.orders.values()];
    this.orders.clear();
    for (const order of orders) {
      if (order.over) continue;
      if (order.pid === undefined) order.failed(error);
      else order.ended();
    }
  }
}
