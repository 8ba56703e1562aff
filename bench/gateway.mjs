// Servers of our own: the built gateway as a user starts it, each with a directory of its own.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { TesServer } from './tes-server.mjs';

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Each gateway listens for the end of the process.
process.setMaxListeners(100);

/** Makes the directory of a gateway, empty but for the settings. */
export async function prepareGateway({ main, directory, backend, settings = {}, env = {} }) {
  rmSync(directory, { recursive: true, force: true });
  const dataDirectory = join(directory, 'data');
  for (const each of [dataDirectory, join(directory, 'files')]) mkdirSync(each, { recursive: true });
  const port = await freePort();
  const all = {
    server: { host: '127.0.0.1', port },
    data_dir: dataDirectory,
    work_dir: join(directory, 'work'),
    storage: { file: { allowed: [join(directory, 'files')] } },
    backends: [{ name: 'local', type: 'local', ...backend }],
    logs: { level: 'warn' },
    ...settings,
  };
  // JSON is YAML.
  writeFileSync(join(directory, 'settings.yaml'), JSON.stringify(all, undefined, 2));
  return new Gateway({ main, directory, port, env });
}

export class Gateway extends TesServer {
  #main;
  #env;
  #child;
  #ended = Promise.resolve();

  constructor({ main, directory, port, env }) {
    super({ base: `http://127.0.0.1:${port}`, timeoutSeconds: 60, store: join(directory, 'data') });
    this.directory = directory;
    this.storeFile = join(directory, 'data', 'tasks.sqlite');
    this.files = join(directory, 'files');
    this.#main = main;
    this.#env = env;
  }

  /** Resolves with the time from the start of the process until `/readyz` answers 200, ms. `nodeOptions` such as `--cpu-prof`. */
  async start(nodeOptions = []) {
    const log = openSync(join(this.directory, 'log'), 'a');
    const args = [...nodeOptions, this.#main, '--config', join(this.directory, 'settings.yaml')];
    const from = performance.now();
    const child = spawn(process.execPath, args, {
      cwd: this.directory,
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child = child;
    process.once('exit', () => child.kill('SIGKILL'));
    this.#ended = new Promise((resolve) => child.once('exit', resolve));
    this.pid = child.pid;
    while (!(await this.#ready())) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() - from > 120_000) {
        throw new Error(`the gateway did not become ready:\n${this.log().slice(-4000)}`);
      }
      await pause(5);
    }
    return performance.now() - from;
  }

  /** Not by `fetch`: asked every few milliseconds, that takes enough CPU to make a start longer by a third and more. */
  #ready() {
    return new Promise((resolve) => {
      const asked = get(`${this.base}/readyz`, { agent: false, timeout: 10_000 }, (answer) => {
        answer.resume().once('close', () => resolve(answer.statusCode === 200));
      });
      asked.once('timeout', () => asked.destroy());
      asked.once('error', () => resolve(false));
    });
  }

  log() {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  async stop() {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGTERM');
    await this.#ended;
  }

  /** Ends it and removes its directory. */
  async remove() {
    await this.stop();
    this.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
