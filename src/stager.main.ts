#!/usr/bin/env node
import './node-version';
import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { adapters } from './adapters';
import { mountPlan } from './backends/shared/mount-plan';
import { parseProgress } from './backends/shared/job-progress';
import { executorRecords } from './backends/shared/job-report';
import { readTail } from './backends/shared/log-tail';
import { existsNow, readTextOrNothing } from './backends/shared/small-files';
import {
  MOST_RESULT_BYTES,
  STAGER_PLAN,
  STAGER_VERSION,
  type StagerFailure,
  type StagerIn,
  stagerLayout,
  type StagerOut,
  type StagerPlan,
} from './backends/shared/stager-plan';
import { TreeWorkspace } from './backends/shared/tree-workspace';
import { patiently } from './engine/transfers/patience';
import { stageIn, stageOut, StoredFiles, type TransferOptions, type TransferProgress } from './engine/transfers/transfers';
import { adapterOf } from './ports/adapter';
import { GatewayError, TransferError } from './ports/errors';
import { StorageRegistry } from './ports/registries';
import { streamLengths } from './task/stream-lengths';
import type { ExecutorRecord } from './task/task-record';
import { outliveReaders } from './telemetry/standard-streams';

/**
 * The stager beside a job (`staging: worker`): the transfers of the gateway, on the machine that has the data. Started by the job script
 * with the job's workspace as its only argument; what the two say to each other is in `backends/shared/stager-plan.ts`.
 *
 * Its plan may hold credentials. It is removed before anything else is done, and from then on they are in this process's memory only.
 */
const USAGE = `usage: tes-gateway-stager WORKSPACE     (started by the job script of tes-gateway on a worker)
       tes-gateway-stager --version`;

const LOOK_MS = 100;
/** The script's watcher writes the report at least every five seconds. One that has been silent for so long is not there any more. */
const ABANDONED_MS = 10 * 60_000;

async function main(): Promise<void> {
  outliveReaders();
  const [argument, ...rest] = process.argv.slice(2);
  if (argument === '--version') return void process.stdout.write(`tes-gateway-stager ${STAGER_VERSION}\n`);
  if (argument === undefined || argument.startsWith('-') || rest.length > 0) return endBadly(64, USAGE);
  process.chdir(argument);
  const ended = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => ended.abort());
  try {
    await attend(takePlan(), ended.signal);
    process.exit(0);
  } catch (error) {
    if (ended.signal.aborted) process.exit(143);
    tell('failed', failureOf(error));
    process.exit(1);
  }
}

/** Reads the plan and removes it; nothing else has been started yet. */
function takePlan(): StagerPlan {
  const path = `plan/${STAGER_PLAN}`;
  const text = readFileSync(path, 'utf8');
  rmSync(path);
  const plan = JSON.parse(text) as StagerPlan;
  if (plan.version === STAGER_VERSION) return plan;
  throw new TransferError(
    `the stager on the worker knows version ${STAGER_VERSION} of its plan, the gateway sent ${plan.version}: install the gateway's own there`,
    { retryable: false },
  );
}

async function attend({ request, transfers, retry, storage: plans }: StagerPlan, signal: AbortSignal): Promise<void> {
  const storage = new StorageRegistry(
    await Promise.all(plans.map(({ name, settings }) => adapterOf(adapters.storages, name).create(settings))),
  );
  const workspace = new TreeWorkspace(stagerLayout(process.cwd()), mountPlan(request));
  let moved: TransferProgress = { files: 0, bytes: 0 };
  const options: TransferOptions = { ...transfers, onProgress: (progress) => (moved = progress) };

  // Another attempt, and the wait for a storage that is away, are the engine's to decide, as in the gateway: nothing is kept here meanwhile.
  const ins = await timed(() => stageIn(request, workspace, storage, options, signal));
  const hasOutputs = (request.outputs ?? []).length > 0;
  if (!hasOutputs) tell<StagerOut>('out', { outputs: [], outputTypes: {}, systemLogs: [], files: 0, bytes: 0, ms: 0 });
  tell<StagerIn>('in', { ...ins, ...moved });
  if (!hasOutputs) return;

  await asked(signal);
  // Where nothing of the job is kept afterwards, outputs wait here.
  moved = { files: 0, bytes: 0 };
  const stored = new StoredFiles();
  const streams = streamLengths(request, await executorsThatEnded());
  const store = (): ReturnType<typeof stageOut> => stageOut(request, workspace, storage, { ...options, stored, streams }, signal);
  const outs = await timed(() => patiently(store, retry, signal).catch(asFinal));
  tell<StagerOut>('out', { ...outs, ...moved });
}

/** As the job script tells it, in the directory where the stager stands. */
function executorsThatEnded(): Promise<readonly ExecutorRecord[]> {
  const progress = parseProgress(readTextOrNothing('progress') ?? '');
  return executorRecords({ jobName: '', progress, bootedAt: 0, directory: '.', tailOf: readTail }, 0);
}

async function timed<T>(work: () => Promise<T>): Promise<T & { readonly ms: number }> {
  const from = performance.now();
  const done = await work();
  return { ...done, ms: Math.round(performance.now() - from) };
}

/** Until the script wants the outputs. A file, looked at: it works in a container as well, and costs microseconds. */
async function asked(signal: AbortSignal): Promise<void> {
  let told = '';
  let since = performance.now();
  while (!existsNow('stager/ask')) {
    const now = lstatSync('report', { throwIfNoEntry: false })?.mtimeMs.toString() ?? '';
    if (now !== told) [told, since] = [now, performance.now()];
    if (performance.now() - since > ABANDONED_MS) throw new TransferError('the job script has gone', { retryable: true });
    await pause(LOOK_MS, undefined, { signal });
  }
}

/** The executors are not repeated for an upload: it has had all its tries. */
function asFinal(error: unknown): never {
  // Without its workspace nothing is left to be uploaded: that needs another attempt.
  if (!(error instanceof TransferError) || error.lost) throw error;
  throw new TransferError(error.publicMessage, { retryable: false, cause: error });
}

function failureOf(error: unknown): StagerFailure {
  if (error instanceof TransferError)
    // The worker's disk is not the storage's: the attempt has failed, and the next one may find room.
    return {
      message: error.publicMessage,
      retryable: error.retryable,
      ...(error.away && error.away.isWorkDisk !== true && { away: error.away }),
    };
  if (error instanceof GatewayError) return { message: error.publicMessage, retryable: false };
  // A bug's message may hold anything; its place in the code cannot.
  const frames = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at ')) : [];
  process.stderr.write(`${error instanceof Error ? error.name : 'unknown error'}\n${frames.join('\n')}\n`);
  return { message: 'internal error of the stager on the worker, it is logged there', retryable: true };
}

/** Whole or not at all. */
function tell<Said extends StagerIn | StagerOut | StagerFailure>(word: 'in' | 'out' | 'failed', said: Said): void {
  const text = JSON.stringify(said);
  if (Buffer.byteLength(text) > MOST_RESULT_BYTES) {
    throw new TransferError('the outputs are stored, but they are too many files to be listed', { retryable: false });
  }
  writeFileSync(`stager/${word}.new`, text);
  renameSync(`stager/${word}.new`, `stager/${word}`);
}

function endBadly(code: number, text: string): void {
  process.stderr.write(`${text}\n`);
  process.exitCode = code;
}

main().catch((error: unknown) => {
  process.stderr.write(`the stager cannot begin: ${(error as NodeJS.ErrnoException).code ?? (error as Error).name}\n`);
  process.exit(70);
});
