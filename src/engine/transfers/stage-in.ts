import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { FoundTypes, Workspace } from '../../ports/execution-backend';
import type { StorageRegistry } from '../../ports/registries';
import type { StorageStat } from '../../ports/storage-client';
import { distinctInputs } from '../../task/distinct-inputs';
import type { PlacedInput } from '../../task/distinct-inputs';
import { joinContainerPath, normalizeContainerPath } from '../../task/container-path';
import type { TesFileType, TesInput, TesTaskRequest } from '../../task/tes';
import { shownUrl } from '../../task/transfer-plan';
import { copyFile } from './copy-file';
import { inParallel } from './parallel';
import { resumedStream } from './resumed-stream';
import { ProgressCount } from './transfer-options';
import type { TransferOptions } from './transfer-options';
import { Tries } from './tries';

export interface StagedInputs {
  /** By index of `inputs`; only where the storage knew better than the request (tesInput `type`). */
  readonly inputTypes: FoundTypes;
  /** Public lines for `system_logs`. */
  readonly systemLogs: readonly string[];
}

/** An input that comes from a URL, and what is there. */
interface Located {
  readonly index: number;
  readonly path: string;
  readonly url: string;
  readonly stat: StorageStat;
}

interface InputFile {
  readonly inputPath: string;
  readonly path: string;
  readonly url: string;
  readonly mode: number;
  readonly sizeBytes?: number;
  readonly version?: string;
}

const FILE_MODE = 0o644;

/**
 * Brings every input into the workspace and makes them visible in one step. Starts from nothing each time, so a repeated call is
 * a fresh try. Inline `content` wins over `url` (tesInput). A FILE that turns out to be a directory is one, and the other way
 * round. The same input given twice is copied once. Throws the `TransferError` of the first input that cannot be had.
 */
export async function stageIn(
  request: TesTaskRequest,
  workspace: Workspace,
  storage: StorageRegistry,
  options: TransferOptions,
  signal: AbortSignal,
): Promise<StagedInputs> {
  const staging = new StageIn(workspace, storage, options);
  const inputs = request.inputs ?? [];
  await workspace.beginInputs(signal);
  const inputTypes = await staging.copyAll(inputs, signal);
  await workspace.commitInputs(signal);
  return { inputTypes, systemLogs: [] };
}

class StageIn {
  private readonly width: number;
  private readonly progress: ProgressCount;

  constructor(
    private readonly workspace: Workspace,
    private readonly storage: StorageRegistry,
    private readonly options: TransferOptions,
  ) {
    this.width = options.parallel ?? 8;
    this.progress = new ProgressCount(options.onProgress);
  }

  async copyAll(inputs: readonly TesInput[], signal: AbortSignal): Promise<FoundTypes> {
    const located: Located[] = [];
    const locate = async ({ index, path, input }: PlacedInput, stop: AbortSignal): Promise<void> => {
      if (input.content !== undefined && input.content !== '') return this.writeContent(path, input.content, stop);
      const url = input.url ?? '';
      located.push({ index, path, url, stat: await this.stat(path, url, stop) });
    };
    await inParallel(distinctInputs(inputs), this.width, locate, signal);
    located.sort((a, b) => a.index - b.index);
    await inParallel(this.files(located, signal), this.width, (file, stop) => this.copy(file, stop), signal);
    return foundTypes(inputs, located);
  }

  private async stat(path: string, url: string, signal: AbortSignal): Promise<StorageStat> {
    const tries = new Tries(this.options);
    for (;;) {
      try {
        return await this.storage.for(url).stat(url, signal);
      } catch (error) {
        await tries.again(ofInput(path, error), signal);
      }
    }
  }

  private async *files(located: readonly Located[], signal: AbortSignal): AsyncGenerator<InputFile> {
    for (const { path, url, stat } of located) {
      if (stat.kind === 'file') {
        yield { inputPath: path, path, url, mode: stat.mode ?? FILE_MODE, ...versioned(stat) };
        continue;
      }
      try {
        yield* this.directory(path, url, signal);
      } catch (error) {
        throw ofInput(path, error);
      }
    }
  }

  private async *directory(path: string, url: string, signal: AbortSignal): AsyncGenerator<InputFile> {
    const client = this.storage.for(url);
    if (!client.list) throw new TransferError(`${shownUrl(url)} is a directory that cannot be listed`, { retryable: false });
    await this.workspace.mkdir(path, signal);
    for await (const entry of client.list(url, signal)) {
      const at = joinContainerPath(path, entry.path);
      switch (entry.kind) {
        case 'directory':
          await this.workspace.mkdir(at, signal);
          break;
        case 'link':
          await this.workspace.symlink(at, entry.linkTarget ?? '', signal);
          break;
        case 'file':
          yield {
            inputPath: path,
            path: at,
            url: client.join(url, entry.path),
            mode: entry.mode ?? FILE_MODE,
            ...versioned(entry),
          };
          break;
        default: {
          const never: never = entry.kind;
          throw new Error(`unknown kind of entry ${String(never)}`);
        }
      }
    }
  }

  /** The source is tried again where it breaks, from the beginning when it is another version then; what the workspace cannot take is the attempt's trouble, and the next one starts anew. */
  private async copy(file: InputFile, signal: AbortSignal): Promise<void> {
    const restarts = new Tries(this.options);
    let current = file;
    for (;;) {
      try {
        await (this.copyLocal(current, signal) ?? this.stream(current, signal));
        this.progress.arrived();
        return;
      } catch (error) {
        const failure = ofInput(file.inputPath, error);
        if (!(failure instanceof TransferError) || !failure.changed) throw failure;
        await restarts.again(failure, signal);
        const { sizeBytes: _size, version: _version, ...same } = file;
        current = { ...same, ...versioned(await this.stat(file.inputPath, file.url, signal)) };
      }
    }
  }

  /** Where both sides are files of this machine; else `undefined`. */
  private copyLocal(file: InputFile, signal: AbortSignal): Promise<unknown> | undefined {
    const { workspace } = this;
    const client = this.storage.for(file.url);
    if (!client.openFile || !workspace.writeFile) return undefined;
    const open = client.openFile.bind(client, file.url, signal);
    const source = { open, name: shownUrl(file.url), ...versioned(file), tries: new Tries(this.options) };
    const moved = this.progress.moved.bind(this.progress);
    return workspace.writeFile(file.path, file.mode, (target) => copyFile(source, target, moved, signal), signal);
  }

  private async stream(file: InputFile, signal: AbortSignal): Promise<void> {
    const client = this.storage.for(file.url);
    let came = 0;
    const source = resumedStream(
      {
        open: (offset) => client.read(file.url, { offset, ...(file.version !== undefined && { version: file.version }) }, signal),
        name: shownUrl(file.url),
        ...versioned(file),
      },
      new Tries(this.options),
      (bytes) => {
        came += bytes;
        this.progress.moved(bytes);
      },
      signal,
    );
    try {
      const { sizeBytes } = await this.workspace.write(file.path, file.mode, source, signal);
      if (sizeBytes !== came) throw new TransferError(`${sizeBytes} of ${came} bytes were written`, { retryable: true });
    } catch (error) {
      // The workspace may report a broken source in its own words.
      throw source.errored instanceof TransferError ? source.errored : error;
    } finally {
      source.destroy();
    }
  }

  private async writeContent(path: string, content: string, signal: AbortSignal): Promise<void> {
    const bytes = Buffer.from(content);
    try {
      await this.workspace.write(path, FILE_MODE, Readable.from([bytes], { objectMode: false }), signal);
    } catch (error) {
      throw ofInput(path, error);
    }
    this.progress.moved(bytes.length);
    this.progress.arrived();
  }
}

function foundTypes(inputs: readonly TesInput[], located: readonly Located[]): FoundTypes {
  const kinds = new Map(located.map(({ path, stat }) => [path, stat.kind]));
  const types: Record<number, TesFileType> = {};
  for (const [index, input] of inputs.entries()) {
    const found = kinds.get(normalizeContainerPath(input.path)) === 'directory' ? 'DIRECTORY' : 'FILE';
    if (found !== input.type) types[index] = found;
  }
  return types;
}

function versioned({ sizeBytes, version }: Pick<InputFile, 'sizeBytes' | 'version'>): Pick<InputFile, 'sizeBytes' | 'version'> {
  return { ...(sizeBytes !== undefined && { sizeBytes }), ...(version !== undefined && { version }) };
}

/** The same failure, with the input named in front. */
function ofInput(path: string, error: unknown): unknown {
  if (!(error instanceof TransferError)) return error;
  return error.reworded(`input ${path}: ${error.publicMessage}`);
}
