#!/usr/bin/env node
import './node-version';
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { adapters } from './adapters';
import type { Gateway as RunningGateway } from './gateway';
import { helpText, readCommandLine } from './config/command-line';
import { processEnvironment, programEnvironment } from './config/process-environment';
import { addressOf } from './config/address';
import { COMPILE_CACHE, makeDirectories, unreadable } from './config/make-directory';
import { describeSettings, loadSettings, type Settings, SettingsError } from './config/settings';
import { endProcess, outliveReaders } from './telemetry/standard-streams';

const top = join(__dirname, '..');
const NURSERY = '--max-semi-space-size=8';
/** The terminal and npm may both hand on one Ctrl-C: what comes within this time is one signal, ms. */
const SAME_SIGNAL_MS = 500;

function versionOfPackage(): string {
  return (JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string }).version;
}

/** `tes-gateway store ...` is `store.main.ts`; without such a word the command serves. */
const COMMANDS: Readonly<Record<string, () => Promise<unknown>>> = {
  store: () => import('./store.main.js'),
  stager: () => import('./stager.main.js'),
  'hash-password': () => import('./hash-password.main.js'),
};

async function main(): Promise<unknown> {
  outliveReaders();
  const [word] = process.argv.slice(2);
  if (word !== undefined && Object.hasOwn(COMMANDS, word)) {
    process.argv.splice(2, 1);
    return COMMANDS[word]?.();
  }
  const { action, configFiles, flags } = readCommandLine(process.argv.slice(2));
  const layers = { files: configFiles, env: processEnvironment(), argv: flags };
  switch (action) {
    case 'version':
      return say(versionOfPackage());
    case 'help':
      return say(helpText(adapters));
    case 'check-config':
      return say(describeSettings(loadSettings(layers, adapters), adapters).trimEnd());
    case 'serve':
      beginAgainWithSmallNursery();
      return serve(loadSettings(layers, adapters));
    default: {
      const never: never = action;
      throw new Error(`no such action: ${String(never)}`);
    }
  }
}

/**
 * V8 lets new objects fill up to 3 x 32 MB before it looks for garbage among them, and a server that answers thousands of short
 * requests a second soon holds all of that. The size can only be given on the command line, so this process becomes itself again,
 * under the same pid. A size that the operator gives stands.
 */
function beginAgainWithSmallNursery(): void {
  const environment = processEnvironment();
  const given = [...process.execArgv, environment['NODE_OPTIONS'] ?? ''].some((option) => option.includes('max-semi-space-size'));
  if (given || process.execve === undefined) return;
  process.execve(process.execPath, [process.argv0, NURSERY, ...process.execArgv, ...process.argv.slice(1)], environment);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function serve(settings: Settings): Promise<void> {
  makeDirectories(settings);
  // What V8 made of the code is kept for the next start. Where it cannot be kept, it is made again.
  enableCompileCache(join(settings.data_dir, COMPILE_CACHE));
  // Loaded only now: the version, or a fault of the settings, is said without loading everything.
  const { createLog, Gateway } = await import('./gateway.js');
  const format = settings.logs.format === 'auto' ? (process.stdout.isTTY ? 'pretty' : 'json') : settings.logs.format;
  const log = createLog({ level: settings.logs.level, format });
  endOnBugs(log);
  for (const line of unreadable(settings, adapters)) log.warn(line);
  const version = versionOfPackage();
  let gateway: RunningGateway | undefined;
  try {
    gateway = await Gateway.create({ settings, version, log, environment: programEnvironment() });
    stopOnSignals(gateway, log);
    if (settings.audit.file !== '' || settings.server.tls.certificate_file !== '') process.on('SIGHUP', () => gateway?.reopenFiles());
    const port = await gateway.start();
    const scheme = settings.server.tls.certificate_file === '' ? 'http' : 'https';
    log.info(
      { version, node: process.version, data_dir: settings.data_dir },
      `serving on ${addressOf(settings.server.host, port, scheme)}`,
    );
  } catch (error) {
    log.fatal({ err: error }, `the gateway cannot start: ${(error as Error).message}`);
    // What cannot be stopped ends with the process.
    await gateway?.stop().catch((fault: unknown) => log.error({ err: fault }, 'stopping met an error'));
    await endProcess(1);
  }
}

function stopOnSignals(gateway: RunningGateway, log: Logger): void {
  let first: number | undefined;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (first !== undefined) {
      if (performance.now() - first < SAME_SIGNAL_MS) return;
      log.warn({ signal }, 'stopping at once');
      process.exit(1);
    }
    first = performance.now();
    log.info({ signal }, 'stopping: transfers under way get their grace, jobs go on');
    try {
      await gateway.stop();
      log.info('stopped');
      await endProcess(0);
    } catch (error) {
      log.error({ err: error }, 'stopping met an error');
      await endProcess(1);
    }
  };
  process.on('SIGTERM', (signal) => void stop(signal));
  process.on('SIGINT', (signal) => void stop(signal));
}

/** A bug that nobody caught: the state of the process is unknown, the store's is not. A supervisor starts it again. */
function endOnBugs(log: Logger): void {
  const end = (error: unknown): void => {
    log.fatal({ err: error }, 'a bug ends the gateway; jobs go on and are taken up at the next start');
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

main().catch((error: unknown) => {
  process.stderr.write(error instanceof SettingsError ? `${error.faults.join('\n')}\n` : `${(error as Error).stack ?? String(error)}\n`);
  return endProcess(1);
});
