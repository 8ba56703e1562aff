import { posix } from 'node:path';
import { TransferError } from '../../ports/errors';
import type { Workspace, WorkspaceEntry } from '../../ports/execution-backend';
import type { StorageClient } from '../../ports/storage-client';
import { isSameOrBelow, joinContainerPath, normalizeContainerPath, parentOf, relativeTo } from '../../task/container-path';
import type { TesFileType, TesOutput } from '../../task/tes';
import { linkStays } from '../../task/links';
import { namesFolder } from '../../task/url';
import { outputPattern, pathBelowPrefix, unquotedPath } from '../../task/wildcard';

/** One file to store. */
export interface OutputUpload {
  /** Where its bytes are; another path than `path` when that is a link. */
  readonly source: string;
  /** As `logs[].outputs` names it (tesOutputFileLog `path`). */
  readonly path: string;
  readonly url: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly modifiedMs?: number;
  /** Nothing to move: a link to a file stored beside it. */
  readonly linked?: true;
}

/** Most links one after the other, as in the kernel. */
const MAX_LINKS = 40;
/** Whatever a directory's mode was, its owner must be able to fill it and to remove it. */
const OWNER_ALL = 0o700;

/**
 * Finds what one output stands for, and makes the directories and links that hold it. What cannot be stored is left out and said
 * in a system log line: nothing at the path, a link that leaves the workspace, a FIFO, socket or device, and a link to a directory
 * where it cannot stay a link.
 */
export class OutputFiles {
  /** What a plain (not wildcard) output turned out to be. */
  type: TesFileType | undefined;

  constructor(
    private readonly workspace: Workspace,
    private readonly client: StorageClient,
    private readonly say: (line: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  async *of(output: TesOutput): AsyncGenerator<OutputUpload> {
    const path = normalizeContainerPath(output.path);
    const pattern = outputPattern(output);
    const literal = await this.workspace.stat(path, this.signal);
    if (literal) {
      const url = pattern ? this.client.join(output.url, pathBelowPrefix(path, output)) : output.url;
      this.type = yield* this.entry(literal, url, 'by name');
      return;
    }
    if (!pattern) {
      const unquoted = unquotedPath(path);
      const quoted = unquoted === undefined ? undefined : await this.workspace.stat(unquoted, this.signal);
      if (quoted) this.type = yield* this.entry(quoted, output.url, 'by name');
      else this.say(`output ${path}: nothing is there, left out`);
      return;
    }
    let matches = 0;
    let inside: string | undefined;
    for await (const entry of this.below(pattern.base)) {
      // What lies in a directory that matched goes with it.
      if (inside !== undefined && isSameOrBelow(entry.path, inside)) continue;
      if (!pattern.matches(entry.path)) continue;
      matches += 1;
      if (entry.kind === 'directory') inside = entry.path;
      yield* this.entry(entry, this.client.join(output.url, pathBelowPrefix(entry.path, output)), 'by wildcard');
    }
    if (matches === 0) this.say(`output ${output.path}: nothing matches, left out`);
  }

  private async *below(base: string): AsyncGenerator<WorkspaceEntry> {
    const directory = await this.followed(base);
    if (directory?.kind !== 'directory') return;
    for await (const entry of this.workspace.list(directory.path, this.signal)) {
      yield { ...entry, path: joinContainerPath(base, relativeTo(directory.path, entry.path) ?? '') };
    }
  }

  /** One thing that was asked for by name or wildcard. Here a link stands for what it points at. */
  private async *entry(
    entry: WorkspaceEntry,
    url: string,
    asked: 'by name' | 'by wildcard',
  ): AsyncGenerator<OutputUpload, TesFileType | undefined> {
    const real = entry.kind === 'link' ? await this.followed(entry.path) : entry;
    if (!real) {
      this.say(`output ${entry.path} is a link to nothing in the workspace (${entry.linkTarget ?? ''}), left out`);
      return undefined;
    }
    switch (real.kind) {
      case 'file':
        yield uploadOf(real, entry.path, namesFolder(url) ? this.client.join(url, posix.basename(entry.path)) : url);
        return 'FILE';
      case 'directory':
        yield* this.directory(real, entry.path, url);
        return 'DIRECTORY';
      case 'other':
      case 'link':
        if (asked === 'by name' && real.reason !== undefined) throw new TransferError(`it ${real.reason}`, { retryable: false });
        this.say(`output ${entry.path} ${real.reason ?? 'is no file, directory or link to one'}, left out`);
        return undefined;
      default: {
        const never: never = real.kind;
        return never;
      }
    }
  }

  private async *directory(top: WorkspaceEntry, shown: string, url: string): AsyncGenerator<OutputUpload> {
    await this.client.mkdir?.(url, top.mode | OWNER_ALL, this.signal);
    let isEmpty = true;
    for await (const entry of this.workspace.list(top.path, this.signal)) {
      isEmpty = false;
      const below = relativeTo(top.path, entry.path) ?? '';
      const at = { path: joinContainerPath(shown, below), url: this.client.join(url, below) };
      switch (entry.kind) {
        case 'file':
          yield uploadOf(entry, at.path, at.url);
          break;
        case 'directory':
          await this.client.mkdir?.(at.url, entry.mode | OWNER_ALL, this.signal);
          break;
        case 'link':
          yield* this.link(top.path, entry, below, at);
          break;
        case 'other':
          this.say(`${at.path} ${entry.reason ?? 'is no file, directory or link'}, left out`);
          break;
        default: {
          const never: never = entry.kind;
          throw new Error(`unknown kind of entry ${String(never)}`);
        }
      }
    }
    // It may be there only because it was mounted, when the program wrote elsewhere.
    if (isEmpty) this.say(`output ${shown}: the directory is empty${this.client.mkdir ? '' : ', left out'}`);
  }

  /** A link below an output directory: kept where it stays inside and the storage knows links, else copied as the file it points at. */
  private async *link(
    top: string,
    entry: WorkspaceEntry,
    below: string,
    at: { readonly path: string; readonly url: string },
  ): AsyncGenerator<OutputUpload> {
    const real = await this.followed(entry.path);
    const target = relativeTarget(top, below, entry.linkTarget ?? '');
    if (target !== undefined && this.client.symlink) {
      await this.client.symlink(at.url, target, this.signal);
      if (real?.kind === 'file') yield { ...uploadOf(real, at.path, at.url), linked: true };
      return;
    }
    if (real?.kind === 'file') {
      yield uploadOf(real, at.path, at.url);
    } else {
      const why = real?.kind === 'directory' ? 'to a directory, which cannot be kept' : 'to nothing in the workspace';
      this.say(`${at.path} is a link ${why} (${entry.linkTarget ?? ''}), left out`);
    }
  }

  /** What is at the end of the links; `undefined` when that is nothing, or lies outside the workspace. */
  private async followed(path: string): Promise<WorkspaceEntry | undefined> {
    let at = path;
    for (let links = 0; links <= MAX_LINKS; links += 1) {
      const entry = await this.statInside(at);
      if (entry?.kind !== 'link') return entry;
      at = posix.resolve(parentOf(entry.path), entry.linkTarget ?? '');
    }
    return undefined;
  }

  private async statInside(path: string): Promise<WorkspaceEntry | undefined> {
    try {
      return await this.workspace.stat(path, this.signal);
    } catch (error) {
      // A refusal (a link on the way leaves the workspace) is an answer; a failure that may pass is none.
      if (error instanceof TransferError && !error.retryable) return undefined;
      throw error;
    }
  }
}

function uploadOf(entry: WorkspaceEntry, path: string, url: string): OutputUpload {
  const { path: source, sizeBytes, mode, modifiedMs } = entry;
  return { source, path, url, sizeBytes, mode, ...(modifiedMs !== undefined && { modifiedMs }) };
}

/** The target of a link that stays below `top`, relative to the link; an absolute one is in the words of the container. */
function relativeTarget(top: string, link: string, target: string): string | undefined {
  if (!target.startsWith('/')) return linkStays(link, target) ? target : undefined;
  if (target.split('/').includes('..')) return undefined;
  const inside = relativeTo(top, posix.normalize(target).replace(/(?<=.)\/$/, ''));
  if (inside === undefined) return undefined;
  const written = posix.relative(posix.dirname(link), inside) || '.';
  return linkStays(link, written) ? written : undefined;
}
