import type { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { Workspace } from '../../ports/execution-backend';
import type { StorageRegistry } from '../../ports/registries';
import type { ObjectOptions, Written } from '../../ports/storage-client';
import type { OutputFile } from '../../task/task-record';
import type { FoundTypes, TesFileType, TesOutput, TesTaskRequest } from '../../task/tes';
import { hostOf, maskSecrets, shownUrl } from '../../task/url';
import { copyFile } from './copy-file';
import { LogLines } from './log-lines';
import { MetOutputs } from './meeting-outputs';
import { OutputFiles, type OutputUpload } from './output-files';
import { inParallel } from './parallel';
import { partSource } from './part-source';
import type { StoredFiles } from './stored-files';
import { ProgressCount, type TransferOptions } from './transfer-options';
import { Tries } from './tries';

/** Characters of the list of outputs, with so many around each: half of a gigabyte would be a record that no store and no client takes. */
const MOST_LISTED = 16 * 2 ** 20;
const LISTED_BESIDES = 40;
/** Of one file. */
const PARTS_AT_ONCE = 4;

export interface StageOutOptions extends TransferOptions {
  /** What earlier tries have stored: it is not sent again while the storage says that it is there. Added to. */
  readonly stored?: StoredFiles;
  /** Bytes that streams have by the job's account, by their paths (`streamLengths`). */
  readonly streams?: ReadonlyMap<string, number>;
}

export interface StagedOutputs {
  /** Every stored file, directories and wildcards flattened (tesTaskLog `outputs`), in the order of the request; URLs without userinfo and signatures. */
  readonly outputs: readonly OutputFile[];
  /** By index of `outputs`; only where the workspace knew better than the request (tesOutput `type`). */
  readonly outputTypes: FoundTypes;
  /** Public lines for `system_logs`: what was missing or left out. */
  readonly systemLogs: readonly string[];
}

/**
 * Stores every output that exists. A missing one is a line in the log, not an error (workflow engines declare optional outputs like
 * the others). Each output is tried whatever becomes of the others; then the first failure is thrown as a `TransferError` that
 * names the output and the URL without userinfo; one that is `lost` when the workspace has gone, or has less than it had when the executors ended. A file is there as a whole or not at all, as `StorageClient.write` promises.
 */
export async function stageOut(
  request: TesTaskRequest,
  workspace: Workspace,
  storage: StorageRegistry,
  options: StageOutOptions,
  signal: AbortSignal,
): Promise<StagedOutputs> {
  await checkStreams(workspace, options.streams ?? new Map<string, number>(), signal);
  const staging = new StageOut(workspace, storage, options);
  await inParallel(staging.uploads(request.outputs ?? [], signal), options.parallel ?? 8, (job, stop) => staging.store(job, stop), signal);
  // Last: it may go at any moment, and then neither what seems to be missing nor what failed says anything.
  if (await workspace.isThere(signal)) return staging.result();
  throw new TransferError('the workspace of the job is gone, and with it the outputs that were not stored yet', {
    retryable: true,
    lost: true,
  });
}

/** Before anything is stored: what is short here would replace what is whole there. */
async function checkStreams(workspace: Workspace, streams: ReadonlyMap<string, number>, signal: AbortSignal): Promise<void> {
  for (const [path, sizeBytes] of streams) {
    const entry = await workspace.stat(path, signal);
    const there = entry?.kind === 'file' ? entry.sizeBytes : undefined;
    if (there === sizeBytes) continue;
    const found = there === undefined ? 'nothing of it is there' : `${there} bytes are there`;
    throw new TransferError(`the workspace has lost what the executor wrote to ${path}: ${sizeBytes} bytes, ${found}`, {
      retryable: true,
      lost: true,
    });
  }
}

interface Upload {
  readonly index: number;
  readonly place: number;
  readonly output: TesOutput;
  readonly file: OutputUpload;
}

class StageOut {
  private readonly stored: OutputFile[] = [];
  private readonly types: Record<number, TesFileType> = {};
  private readonly lines = new LogLines();
  private readonly failures = new Map<number, TransferError>();
  private readonly awayHosts = new Set<string>();
  private readonly progress: ProgressCount;

  constructor(
    private readonly workspace: Workspace,
    private readonly storage: StorageRegistry,
    private readonly options: StageOutOptions,
  ) {
    this.progress = new ProgressCount(options);
  }

  async *uploads(outputs: readonly TesOutput[], signal: AbortSignal): AsyncGenerator<Upload> {
    let place = 0;
    const met = new MetOutputs(outputs, this.storage);
    for (const [index, output] of outputs.entries()) {
      let current: OutputUpload | undefined;
      try {
        const files = new OutputFiles(this.workspace, this.storage.for(output.url), (line) => this.lines.say(line), signal);
        for await (const file of files.of(output)) {
          if (this.failures.has(index)) break;
          current = file;
          met.claim(index, file);
          current = undefined;
          yield { index, place: place++, output, file };
        }
        if (files.type !== undefined && files.type !== output.type) {
          this.types[index] = files.type;
          const found = files.type === 'DIRECTORY' ? 'directory' : 'file';
          this.lines.say(`output ${output.path}: its type is ${output.type}, but it is a ${found} and was stored as one`);
        }
      } catch (error) {
        this.fail(index, output, current, error, signal);
      }
    }
  }

  async store({ index, place, output, file }: Upload, signal: AbortSignal): Promise<void> {
    // What is left for it would fail one by one, each after its tries; all of it is stored later.
    if (this.awayHosts.has(hostOf(file.url))) return;
    try {
      if (file.linked === undefined && !(await this.isStored(file, signal))) {
        const { version } = await this.upload(file, signal);
        this.options.stored?.add(file, version);
      }
      this.stored[place] = { url: maskSecrets(file.url), path: file.path, sizeBytes: file.sizeBytes };
    } catch (error) {
      this.fail(index, output, file, error, signal);
    }
  }

  result(): StagedOutputs {
    const failures = [...this.failures.values()];
    const worst = failures.find((failure) => failure.lost) ?? failures.find((failure) => !failure.retryable) ?? failures[0];
    if (worst) throw worst;
    // By place; a place that was never filled does not count.
    const stored = Object.values(this.stored);
    const outputs = listed(stored);
    const systemLogs = [...this.lines.all()];
    if (outputs.length < stored.length) systemLogs.push(`all ${stored.length} outputs were stored, ${outputs.length} of them are listed`);
    return { outputs, outputTypes: this.types, systemLogs };
  }

  /** Whoever lost it meanwhile, or cannot say, gets it again. */
  private async isStored(file: OutputUpload, signal: AbortSignal): Promise<boolean> {
    const { stored } = this.options;
    if (stored?.has(file) !== true) return false;
    try {
      if (!stored.isSame(file, await this.storage.for(file.url).stat(file.url, signal))) return false;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TransferError) return false;
      throw error;
    }
    this.progress.of(file.url)(file.sizeBytes);
    this.progress.arrived(file.url);
    return true;
  }

  private async upload(file: OutputUpload, signal: AbortSignal): Promise<Written> {
    const tries = new Tries(this.options, file.url);
    for (;;) {
      // Its requests have tries of their own.
      const parts = this.inParts(file, signal);
      try {
        const written = await (parts ?? this.copyLocal(file, signal) ?? this.stream(file, signal));
        if (written.sizeBytes !== file.sizeBytes) {
          throw new TransferError(`${written.sizeBytes} of ${file.sizeBytes} bytes were stored`, { retryable: true });
        }
        this.progress.arrived(file.url);
        return written;
      } catch (error) {
        signal.throwIfAborted();
        await this.confirm(file, signal);
        if (parts) throw error;
        await tries.again(error, signal);
      }
    }
  }

  /** Nobody writes into a workspace any more: what was listed is there, as it was, or the workspace has lost it. A later listing would not show that. */
  private async confirm({ source, path, sizeBytes }: OutputUpload, signal: AbortSignal): Promise<void> {
    const entry = await this.workspace.stat(source, signal);
    if (entry?.kind === 'file' && entry.sizeBytes === sizeBytes) return;
    const found = entry?.kind === 'file' ? `${entry.sizeBytes} bytes` : 'nothing';
    throw new TransferError(`the workspace had ${sizeBytes} bytes at ${path} after the executors ended, and has ${found} now`, {
      retryable: true,
      lost: true,
    });
  }

  /** Where both sides are files of this machine; else `undefined`. */
  private copyLocal(file: OutputUpload, signal: AbortSignal): Promise<Written> | undefined {
    const { workspace } = this;
    const client = this.storage.for(file.url);
    if (!client.writeFile || !workspace.openFile) return undefined;
    const source = { open: workspace.openFile.bind(workspace, file.source, signal), name: file.path };
    const moved = this.progress.of(file.url);
    return client.writeFile(file.url, optionsOf(file), (target) => copyFile(source, target, moved, signal), signal);
  }

  /** Where the storage takes parts, and the workspace can be read anywhere; else `undefined`. */
  private inParts(file: OutputUpload, signal: AbortSignal): Promise<Written> | undefined {
    const client = this.storage.for(file.url);
    const open = this.workspace.openFile?.bind(this.workspace, file.source, signal);
    const store = client.store?.bind(client, file.url);
    if (!open || !store) return undefined;
    const repeat = async <T>(request: () => Promise<T>): Promise<T> => {
      const tries = new Tries(this.options, file.url);
      for (;;) {
        try {
          return await request();
        } catch (error) {
          await tries.again(error, signal);
        }
      }
    };
    return open().then(async (source) => {
      try {
        const parts = partSource(source, file.path, this.progress.of(file.url), signal);
        return await store(parts, { ...optionsOf(file), parallel: PARTS_AT_ONCE, repeat }, signal);
      } finally {
        await source.close();
      }
    });
  }

  private async stream(file: OutputUpload, signal: AbortSignal): Promise<Written> {
    const open = async (): Promise<Readable> => {
      const content = await this.workspace.read(file.source, signal);
      // It may end before the storage has begun to listen; the storage finds the error when it does.
      content.on('error', () => undefined);
      const moved = this.progress.of(file.url);
      const count = (chunk: Uint8Array): void => {
        moved(chunk.length);
      };
      return content.on('data', count).pause();
    };
    const content = await open();
    try {
      return await this.storage.for(file.url).write(file.url, content, { ...optionsOf(file), reopen: open }, signal);
    } finally {
      content.destroy();
    }
  }

  /** Keeps the first failure of an output; a stop, or what is no failure of a transfer, ends the whole. */
  private fail(index: number, output: TesOutput, file: OutputUpload | undefined, error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    if (!(error instanceof TransferError)) throw error;
    const { path, url } = file ?? output;
    if (error.away && hostOf(url) !== '') this.awayHosts.add(hostOf(url));
    if (this.failures.has(index)) return;
    const text = `output ${path} could not be stored at ${shownUrl(url)}: ${error.publicMessage}`;
    this.failures.set(index, error.reworded(text));
  }
}

/** As many as a record can hold. */
function listed(stored: readonly OutputFile[]): readonly OutputFile[] {
  let left = MOST_LISTED;
  const end = stored.findIndex(({ url, path }) => (left -= url.length + path.length + LISTED_BESIDES) < 0);
  return end < 0 ? stored : stored.slice(0, end);
}

function optionsOf({ sizeBytes, mode, modifiedMs }: OutputUpload): ObjectOptions {
  return { sizeBytes, mode: mode & 0o777, ...(modifiedMs !== undefined && { modifiedMs }) };
}
