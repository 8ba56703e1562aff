import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { InputAttributes, Workspace } from '../../ports/execution-backend';
import type { StorageRegistry } from '../../ports/registries';
import type { StorageStat, Sums } from '../../ports/storage-client';
import { distinctInputs, type PlacedInput } from '../../task/distinct-inputs';
import { joinContainerPath, normalizeContainerPath } from '../../task/container-path';
import type { FoundTypes, TesFileType, TesInput, TesTaskRequest } from '../../task/tes';
import { shownUrl } from '../../task/url';
import { copyFile } from './copy-file';
import { LogLines } from './log-lines';
import { type Brought, MeetingInputs } from './meeting-inputs';
import { inParallel } from './parallel';
import { resumedStream } from './resumed-stream';
import { ProgressCount, type TransferOptions } from './transfer-options';
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
  readonly type: TesFileType;
  readonly stat: StorageStat;
}

interface InputFile {
  readonly inputPath: string;
  readonly path: string;
  readonly url: string;
  readonly mode: number;
  /** Of the version that is there: how long it is, and from when. */
  readonly sizeBytes?: number;
  readonly modifiedMs?: number;
  readonly version?: string;
  readonly sums?: Sums;
}

const FILE_MODE = 0o644;

/**
 * Brings every input into the workspace and makes them visible in one step. Starts from nothing each time, so a repeated call is
 * a fresh try. Inline `content` wins over `url` (tesInput). A FILE that turns out to be a directory is one, with a line; a DIRECTORY must
 * be one. The same input given twice, or brought by a directory too, is copied once; another one at its place is an error that names both.
 * What cannot be copied (FIFOs, sockets, devices, names that are not UTF-8) is left out with a line. Throws the `TransferError` of the first
 * input that cannot be had.
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
  return { inputTypes, systemLogs: staging.lines.all() };
}

class StageIn {
  readonly lines = new LogLines();
  private readonly width: number;
  private readonly progress: ProgressCount;

  constructor(
    private readonly workspace: Workspace,
    private readonly storage: StorageRegistry,
    private readonly options: TransferOptions,
  ) {
    this.width = options.parallel ?? 8;
    this.progress = new ProgressCount(options);
  }

  async copyAll(inputs: readonly TesInput[], signal: AbortSignal): Promise<FoundTypes> {
    const located: Located[] = [];
    const distinct = distinctInputs(inputs);
    const meetings = new MeetingInputs(distinct.map(({ path }) => path));
    const locate = async ({ index, path, input }: PlacedInput, stop: AbortSignal): Promise<void> => {
      if (input.content !== undefined && input.content !== '') {
        meetings.claim(path, { input: path, kind: 'file', source: 'its content' });
        return this.writeContent(path, input.content, stop);
      }
      const url = input.url ?? '';
      const stat = await this.stat(path, url, stop);
      if (input.type === 'DIRECTORY' && stat.kind === 'file') {
        throw ofInput(path, new TransferError(`its type is DIRECTORY, but ${shownUrl(url)} is a file`, { retryable: false }));
      }
      located.push({ index, path, url, type: input.type, stat });
    };
    await inParallel(distinct, this.width, locate, signal);
    // Directories before what lies in them.
    located.sort((a, b) => a.path.length - b.path.length || a.index - b.index);
    await inParallel(this.files(located, meetings, signal), this.width, (file, stop) => this.copy(file, stop), signal);
    return foundTypes(inputs, located);
  }

  private async stat(path: string, url: string, signal: AbortSignal): Promise<StorageStat> {
    const tries = new Tries(this.options, url);
    for (;;) {
      try {
        return await this.storage.for(url).stat(url, signal);
      } catch (error) {
        await tries.again(ofInput(path, error), signal);
      }
    }
  }

  private async *files(located: readonly Located[], meetings: MeetingInputs, signal: AbortSignal): AsyncGenerator<InputFile> {
    for (const { path, url, type, stat } of located) {
      try {
        if (stat.kind === 'directory') {
          if (type === 'FILE') this.lines.say(`input ${path}: its type is FILE, but ${shownUrl(url)} is a directory and was staged as one`);
          yield* this.directory(path, url, meetings, signal);
        } else if (meetings.claim(path, this.brought(path, 'file', url))) {
          yield { inputPath: path, path, url, mode: stat.mode ?? FILE_MODE, ...versioned(stat) };
        }
      } catch (error) {
        throw ofInput(path, error);
      }
    }
  }

  private async *directory(path: string, url: string, meetings: MeetingInputs, signal: AbortSignal): AsyncGenerator<InputFile> {
    const client = this.storage.for(url);
    if (!client.list) throw new TransferError(`${shownUrl(url)} is a directory that cannot be listed`, { retryable: false });
    meetings.claim(path, this.brought(path, 'directory', url));
    await this.workspace.mkdir(path, signal);
    for await (const entry of client.list(url, signal)) {
      if (entry.kind === 'other') {
        this.lines.say(`input ${path}: ${entry.path} ${entry.reason ?? 'cannot be copied'}, left out`);
        continue;
      }
      const at = { path: joinContainerPath(path, entry.path), url: entry.url ?? client.join(url, entry.path) };
      if (!meetings.claim(at.path, this.brought(path, entry.kind, at.url))) continue;
      switch (entry.kind) {
        case 'directory':
          await this.workspace.mkdir(at.path, signal);
          break;
        case 'link':
          await this.workspace.symlink(at.path, entry.linkTarget ?? '', signal);
          break;
        case 'file':
          yield { inputPath: path, ...at, mode: entry.mode ?? FILE_MODE, ...versioned(entry) };
          break;
        default: {
          const never: never = entry.kind;
          throw new Error(`unknown kind of entry ${String(never)}`);
        }
      }
    }
  }

  private brought(input: string, kind: Brought['kind'], url: string): Brought {
    return { input, kind, identity: this.storage.for(url).identity(url), source: shownUrl(url) };
  }

  /** The source is tried again where it breaks, from the beginning when it is another version then; what the workspace cannot take is the attempt's trouble, and the next one starts anew. */
  private async copy(file: InputFile, signal: AbortSignal): Promise<void> {
    const restarts = new Tries(this.options);
    let current = file;
    for (;;) {
      try {
        await (this.copyLocal(current, signal) ?? this.stream(current, signal));
        this.progress.arrived(file.url);
        return;
      } catch (error) {
        const failure = ofInput(file.inputPath, error);
        if (!(failure instanceof TransferError) || !failure.changed) throw failure;
        await restarts.again(failure, signal);
        const { inputPath, path, url, mode } = file;
        current = { inputPath, path, url, mode, ...versioned(await this.stat(file.inputPath, file.url, signal)) };
      }
    }
  }

  /** Where both sides are files of this machine; else `undefined`. */
  private copyLocal(file: InputFile, signal: AbortSignal): Promise<unknown> | undefined {
    const { workspace } = this;
    const client = this.storage.for(file.url);
    if (!client.openFile || !workspace.writeFile) return undefined;
    const open = client.openFile.bind(client, file.url, signal);
    const source = { open, name: shownUrl(file.url), ...versioned(file), tries: new Tries(this.options, file.url) };
    const moved = this.progress.of(file.url);
    return workspace.writeFile(file.path, attributesOf(file), (target) => copyFile(source, target, moved, signal), signal);
  }

  private async stream(file: InputFile, signal: AbortSignal): Promise<void> {
    const client = this.storage.for(file.url);
    let came = 0;
    const moved = this.progress.of(file.url);
    const source = resumedStream(
      {
        open: (offset) => client.read(file.url, { offset, ...(file.version !== undefined && { version: file.version }) }, signal),
        name: shownUrl(file.url),
        isOneVersion: file.version !== undefined,
        ...versioned(file),
      },
      new Tries(this.options, file.url),
      (bytes) => {
        came += bytes;
        moved(bytes);
      },
      signal,
    );
    try {
      const { sizeBytes } = await this.workspace.write(file.path, attributesOf(file), source, signal);
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
      const { sizeBytes } = await this.workspace.write(path, { mode: FILE_MODE }, Readable.from([bytes], { objectMode: false }), signal);
      if (sizeBytes !== bytes.length) throw new TransferError(`${sizeBytes} of ${bytes.length} bytes were written`, { retryable: true });
    } catch (error) {
      throw ofInput(path, error);
    }
    this.progress.of()(bytes.length);
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

type Version = Pick<InputFile, 'sizeBytes' | 'modifiedMs' | 'version' | 'sums'>;

function versioned({ sizeBytes, modifiedMs, version, sums }: Version): Version {
  return {
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(modifiedMs !== undefined && { modifiedMs }),
    ...(version !== undefined && { version }),
    ...(sums && { sums }),
  };
}

function attributesOf({ mode, modifiedMs }: InputFile): InputAttributes {
  return { mode, ...(modifiedMs !== undefined && { modifiedMs }) };
}

/** The same failure, with the input named in front. */
function ofInput(path: string, error: unknown): unknown {
  if (!(error instanceof TransferError)) return error;
  return error.reworded(`input ${path}: ${error.publicMessage}`);
}
