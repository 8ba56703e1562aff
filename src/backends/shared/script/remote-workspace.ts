import { createHash, randomBytes } from 'node:crypto';
import { Readable, Transform } from 'node:stream';
import { BackendError, TransferError } from '../../../ports/errors';
import type { InputAttributes, Workspace, WorkspaceEntry } from '../../../ports/execution-backend';
import { pathOf, segmentsOf } from '../../../task/container-path';
import { openToAll } from '../file-modes';
import { locate, type MountPlan } from '../mount-plan';
import { quoteWords } from '../shell-quote';
import type { HostFiles, ScriptHost } from './script-host';
import { LISTING, REPORT, SUMS } from './script-manifest';
import { RemoteTrees, shown } from './remote-trees';

/** A shorter file goes with its length and again when the connection breaks; a longer one as it comes, once. */
const SMALL_FILE_BYTES = 1 << 20;
/** The job script takes the sums of such files one by one (SUM_LARGE in job-host.sh). */
const LARGE_FILE_BYTES = 16 << 20;

/**
 * A job's data on a machine where no gateway is, through a file interface that knows no directories, modes or links: inputs go up as numbered
 * files with a list of their places, which the job script checks and lays; outputs come down by the listing and the sums it left.
 */
export class RemoteWorkspace implements Workspace {
  private staging: Staging | undefined;
  private trees: Promise<RemoteTrees> | undefined;

  constructor(
    private readonly host: ScriptHost,
    private readonly content: HostFiles,
    private readonly jobName: string,
    private readonly plan: MountPlan,
    private readonly isSubmitted: boolean,
  ) {}

  async beginInputs(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.isSubmitted) throw new TransferError('the job has been handed over already', { retryable: false });
    this.staging = new Staging(randomBytes(6).toString('hex'));
  }

  async write(path: string, attributes: InputAttributes, content: Readable, signal: AbortSignal): Promise<{ sizeBytes: number }> {
    const staging = this.stagingArea();
    const broken = new Promise<never>((_resolve, reject) => content.once('error', reject));
    broken.catch(() => undefined);
    const file = staging.file(path, attributes, this.plan);
    const counted = new Measure();
    try {
      const start = await firstBytes(content, signal);
      if (start.isWhole) {
        counted.add(start.bytes);
        await this.host.put(this.jobName, [{ name: file.name, content: start.bytes }], signal);
      } else {
        const source = Readable.from(continued(start.bytes, content), { objectMode: false });
        const measured = source.pipe(counted.through());
        source.once('error', (error) => measured.destroy(error));
        await Promise.race([this.content.send(this.jobName, file.name, measured, signal), broken]);
      }
      file.sha256 = counted.sha256();
      file.sizeBytes = counted.sizeBytes;
      return { sizeBytes: counted.sizeBytes };
    } catch (error) {
      staging.forget(path);
      throw transferFault(path, 'write', error);
    } finally {
      content.destroy();
    }
  }

  async mkdir(path: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.stagingArea().lines.push(`put_directory ${treeWords(this.plan, path)}`);
  }

  async symlink(path: string, target: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const segments = segmentsOf(path);
    const words = quoteWords([target, segments.at(-1) ?? '']);
    this.stagingArea().lines.push(`put_link ${words} ${treeWords(this.plan, pathOf(segments.slice(0, -1)))}`);
  }

  /** The list of sums first: without the other nothing is laid. */
  async commitInputs(signal: AbortSignal): Promise<void> {
    const staging = this.stagingArea();
    const { files } = staging;
    const all = [...files.values()];
    const small = all.filter((file) => file.sizeBytes < LARGE_FILE_BYTES);
    const large = all.filter((file) => file.sizeBytes >= LARGE_FILE_BYTES);
    const sums = small.map((file) => `${file.sha256}  ${file.name}\n`).join('');
    const checks = large.map((file) => `check_large ${file.name} ${file.sha256}`);
    const lines = [...staging.lines, ...checks, ...timesOf(all), ...all.map((file) => file.line)].map((line) => `${line}\n`).join('');
    try {
      for (const [name, content] of [['inputs.sums', sums] as const, ['inputs.sh', lines] as const]) {
        await this.host.put(this.jobName, [{ name, content: Buffer.from(content) }], signal);
      }
    } catch (error) {
      throw transferFault('/', 'write', error);
    }
  }

  /** The host says of a file that it cannot give it, not why: two that a job always leaves are asked for. */
  async isThere(signal: AbortSignal): Promise<boolean> {
    for (const name of [REPORT, LISTING]) {
      const content = await this.content.open(this.jobName, name, signal).catch((error: unknown) => {
        throw transferFault('/', 'list', error);
      });
      content?.on('error', () => undefined).destroy();
      if (content) return true;
    }
    return false;
  }

  /** Of the trees alone: streams and layers are not listed. */
  async sizeBytes(signal: AbortSignal): Promise<number> {
    return (await this.isThere(signal)) ? (await this.listing(signal)).sizeBytes : 0;
  }

  async stat(path: string, signal: AbortSignal): Promise<WorkspaceEntry | undefined> {
    const found = (await this.listing(signal)).find(path);
    return found && shown(pathOf(segmentsOf(path)), found.entry);
  }

  async *list(path: string, signal: AbortSignal): AsyncIterable<WorkspaceEntry> {
    const trees = await this.listing(signal);
    const found = trees.find(path);
    if (found?.entry.kind !== 'directory') {
      throw new TransferError(`${path} is not a directory`, { retryable: false, notFound: found === undefined });
    }
    for (const entry of trees.below(found.treePath, pathOf(segmentsOf(path)))) {
      signal.throwIfAborted();
      yield entry;
    }
  }

  async read(path: string, signal: AbortSignal): Promise<Readable> {
    const found = (await this.listing(signal)).find(path);
    if (!found) throw new TransferError(`${path} does not exist`, { retryable: false, notFound: true });
    const { entry, treePath } = found;
    if (entry.kind !== 'file') throw new TransferError(`${path} is not a regular file`, { retryable: false });
    let content;
    try {
      content = await this.content.open(this.jobName, `trees/${treePath}`, signal);
    } catch (error) {
      throw transferFault(path, 'read', error);
    }
    if (!content) throw new TransferError(`${this.host.title} cannot read ${path}`, { retryable: true });
    return Readable.from(verified(path, content, entry.sizeBytes, entry.sha256, signal), { objectMode: false });
  }

  private stagingArea(): Staging {
    if (!this.staging) throw new TransferError('inputs have not been begun', { retryable: false });
    return this.staging;
  }

  private listing(signal: AbortSignal): Promise<RemoteTrees> {
    this.trees ??= this.loadListing(signal).catch((error: unknown) => {
      this.trees = undefined;
      throw transferFault('/', 'list', error);
    });
    return this.trees;
  }

  private async loadListing(signal: AbortSignal): Promise<RemoteTrees> {
    const listing = await this.content.open(this.jobName, LISTING, signal);
    if (!listing) throw new TransferError('the job left no listing of its files', { retryable: true });
    const sums = this.content.open.bind(this.content, this.jobName, SUMS, signal);
    return RemoteTrees.read(this.plan, unbroken(listing, signal), later(sums, signal));
  }
}

/** Opened when it is read, for each that is open takes a place of the transfers. */
async function* later(open: () => Promise<Readable | undefined>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const content = await open();
  if (content) yield* unbroken(content, signal);
  else yield Buffer.from('whole\0');
}

async function* unbroken(content: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of content) {
      signal.throwIfAborted();
      yield chunk as Buffer;
    }
  } catch {
    signal.throwIfAborted();
    throw new TransferError('the listing of the files of the job broke off', { retryable: true, unavailable: true });
  } finally {
    content.destroy();
  }
}

interface StagedFile {
  /** Below the workspace, as the job script names it. */
  readonly name: string;
  readonly line: string;
  readonly modifiedMs: number | undefined;
  sha256: string;
  sizeBytes: number;
}

/** The times that files had where they come from, for the job script: those of all in one go. */
function timesOf(files: readonly StagedFile[]): readonly string[] {
  const timed = files.filter(({ modifiedMs }) => modifiedMs !== undefined);
  if (timed.length === 0) return [];
  return [`set_times ${timed.length} <<X`, ...timed.map((file) => `${((file.modifiedMs ?? 0) / 1000).toFixed(6)} ${file.name}`), 'X'];
}

/** One try of staging; what an earlier one left is not named in its list. */
class Staging {
  readonly lines: string[] = [];
  readonly files = new Map<string, StagedFile>();
  private count = 0;

  constructor(private readonly id: string) {}

  file(path: string, { mode, modifiedMs }: InputAttributes, plan: MountPlan): StagedFile {
    const segments = segmentsOf(path);
    const key = pathOf(segments);
    if (this.files.has(key)) throw new TransferError(`cannot write ${path} in the workspace: EEXIST`, { retryable: false });
    const name = `inputs/${this.id}/${this.count++}`;
    const words = `${quoteWords([segments.at(-1) ?? ''])} ${treeWords(plan, pathOf(segments.slice(0, -1)))}`;
    const line = `put ${name} ${openToAll(mode).toString(8)} ${words}`;
    const file = { name, line, modifiedMs, sha256: '', sizeBytes: 0 };
    this.files.set(key, file);
    return file;
  }

  forget(path: string): void {
    this.files.delete(pathOf(segmentsOf(path)));
  }
}

/** Counts bytes and sums them up as they pass. */
class Measure {
  sizeBytes = 0;
  private readonly hash = createHash('sha256');

  add(bytes: Buffer): void {
    this.sizeBytes += bytes.length;
    this.hash.update(bytes);
  }

  sha256(): string {
    return this.hash.digest('hex');
  }

  through(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.add(chunk);
        done(null, chunk);
      },
    });
  }
}

function treeWords(plan: MountPlan, path: string): string {
  const place = locate(plan, segmentsOf(path));
  return quoteWords([`trees/${place.tree}`, ...place.segments]);
}

/** As much as fits into a small file, and whether that is all. */
async function firstBytes(content: Readable, signal: AbortSignal): Promise<{ bytes: Buffer; isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  const iterator = content.iterator({ destroyOnReturn: false });
  for await (const chunk of iterator) {
    signal.throwIfAborted();
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
    chunks.push(bytes);
    length += bytes.length;
    if (length > SMALL_FILE_BYTES) return { bytes: Buffer.concat(chunks), isWhole: false };
  }
  return { bytes: Buffer.concat(chunks), isWhole: true };
}

async function* continued(start: Buffer, content: Readable): AsyncGenerator<Buffer> {
  yield start;
  for await (const chunk of content) yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
}

/** What comes must be what the script saw: the interface gives neither a length nor a sum, and a proxy may cut. */
async function* verified(
  path: string,
  content: Readable,
  sizeBytes: number,
  sha256: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const counted = new Measure();
  try {
    for await (const chunk of content) {
      signal.throwIfAborted();
      counted.add(chunk as Buffer);
      yield chunk as Buffer;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new TransferError(`the transfer of ${path} broke off after ${counted.sizeBytes} of ${sizeBytes} bytes`, { retryable: true });
  } finally {
    content.destroy();
  }
  if (counted.sizeBytes !== sizeBytes) {
    throw new TransferError(`${path} came with ${counted.sizeBytes} of ${sizeBytes} bytes`, { retryable: true });
  }
  if (sha256 !== undefined && counted.sha256() !== sha256) throw new TransferError(`${path} came damaged`, { retryable: true });
}

function transferFault(path: string, doing: 'read' | 'write' | 'list', error: unknown): unknown {
  if (!(error instanceof BackendError)) return error;
  const { retryable, unavailable, publicMessage } = error;
  return new TransferError(`cannot ${doing} ${path} on the worker: ${publicMessage}`, { retryable, unavailable });
}
