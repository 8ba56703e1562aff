import { TransferError } from '../../../ports/errors';
import type { WorkspaceEntry } from '../../../ports/execution-backend';
import { type Segments, segmentsOf } from '../../../task/container-path';
import { strayLink, textOf, unnameable } from '../file-names';
import { leadsToRoot, locate, type MountPlan, rootOf } from '../mount-plan';

/** Something in the trees, as `find` on the worker told it. */
export interface RemoteEntry {
  readonly kind: WorkspaceEntry['kind'];
  readonly mode: number;
  readonly sizeBytes: number;
  /** Absent in the listings of scripts of older gateways. */
  readonly modifiedMs?: number;
  /** Of a link; `undefined` when it is not UTF-8. */
  readonly linkTarget?: string | undefined;
  /** Lower-case hexadecimal; of files that may be outputs. */
  readonly sha256?: string;
}

/** A place in the trees: what the container calls it, and its path below `trees`. */
export interface FoundEntry {
  readonly segments: Segments;
  readonly treePath: string;
  readonly entry: RemoteEntry;
}

const KINDS: Readonly<Record<string, WorkspaceEntry['kind']>> = { f: 'file', d: 'directory', l: 'link' };
const MOST_LINKS = 40;
/** Of the trees of one job; each takes some 400 bytes of memory while its outputs are stored. */
const MOST_ENTRIES = 1_000_000;
/** A field is a path at most. */
const MOST_FIELD = 64 * 1024;
const WHOLE = 'whole';

type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * The listing that the job script left, read in the words of the container. Nothing on the worker is followed: a link is resolved
 * here, so that it can lead nowhere but into the trees.
 */
export class RemoteTrees {
  private constructor(
    private readonly plan: MountPlan,
    private readonly entries: ReadonlyMap<string, RemoteEntry>,
    private readonly children: ReadonlyMap<string, readonly string[]>,
  ) {}

  /** `listing`: kind, mode, size and time of change, path, target; `sums`: lines of sha256sum. Each is read as it comes and held as entries only. */
  static async read(plan: MountPlan, listing: Pieces, sums: Pieces, most = MOST_ENTRIES): Promise<RemoteTrees> {
    const entries = new Map<string, Mutable<RemoteEntry>>();
    const children = new Map<string, string[]>();
    await eachRecord(listing, 5, ([kind = '', mode = '', numbers = '', path = '', target = '']) => {
      if (entries.size >= most) throw tooMany(most);
      const [size, seconds] = numbers.split(' ');
      const slash = path.lastIndexOf('/');
      entries.set(path, {
        kind: KINDS[kind] ?? 'other',
        mode: Number.parseInt(mode, 8) & 0o777,
        sizeBytes: kind === 'f' ? Number(size) : 0,
        ...(seconds !== undefined && { modifiedMs: Number(seconds) * 1000 }),
        ...(kind === 'l' && { linkTarget: textOf(Buffer.from(target, 'latin1')) }),
      });
      const parent = slash < 0 ? '' : path.slice(0, slash);
      const siblings = children.get(parent);
      if (siblings) siblings.push(path.slice(slash + 1));
      else children.set(parent, [path.slice(slash + 1)]);
    });
    await eachRecord(sums, 1, ([line = '']) => {
      const [, sha256 = '', path = ''] = /^([0-9a-f]{64}) [ *]trees\/([^]*)$/.exec(line) ?? [];
      const entry = entries.get(path);
      if (entry) entry.sha256 = sha256;
    });
    return new RemoteTrees(plan, entries, children);
  }

  /** Of all files. */
  get sizeBytes(): number {
    let sum = 0;
    for (const { sizeBytes } of this.entries.values()) sum += sizeBytes;
    return sum;
  }

  /** Where a path leads; links on the way are followed inside, the last one is not. */
  find(path: string): FoundEntry | undefined {
    let rest = [...segmentsOf(path)];
    let done: string[] = [];
    for (let links = 0; ;) {
      if (rest.length > 0 && leadsToRoot(this.plan, done)) {
        done = step(done, rest.shift() ?? '.');
        continue;
      }
      if (this.isElsewhere(done)) return undefined;
      const treePath = this.treePathOf(done);
      const entry = this.entries.get(bytesOf(treePath));
      if (entry?.kind === 'link' && rest.length > 0) {
        if (++links > MOST_LINKS) return undefined;
        const target = entry.linkTarget;
        if (target === undefined)
          throw new TransferError(`${path} leads through a link whose target is not valid UTF-8`, { retryable: false });
        rest = [...target.split('/').filter((segment) => segment !== '' && segment !== '.'), ...rest];
        done = target.startsWith('/') ? [] : done.slice(0, -1);
        continue;
      }
      if (rest.length === 0) return entry && { segments: done, treePath, entry };
      if (entry?.kind !== 'directory') return undefined;
      done = step(done, rest.shift() ?? '.');
    }
  }

  /** Everything below a directory, a directory before what it holds. */
  *below(treePath: string, path: string): Iterable<WorkspaceEntry> {
    const key = bytesOf(treePath);
    const names = [...(this.children.get(key) ?? [])].sort();
    for (const raw of names) {
      const bytes = Buffer.from(raw, 'latin1');
      const name = textOf(bytes);
      if (name === undefined) {
        yield unnameable(path, bytes);
        continue;
      }
      const childPath = path === '/' ? `/${name}` : `${path}/${name}`;
      const entry = this.entries.get(`${key}/${raw}`);
      if (!entry) continue;
      yield shown(childPath, entry);
      if (entry.kind === 'directory') yield* this.below(`${treePath}/${name}`, childPath);
    }
  }

  private treePathOf(segments: Segments): string {
    const place = locate(this.plan, segments);
    return [place.tree, ...place.segments].join('/');
  }

  private isElsewhere(segments: Segments): boolean {
    return !this.plan.rootEntries && rootOf(this.plan, segments) === undefined;
  }
}

export function shown(path: string, entry: RemoteEntry): WorkspaceEntry {
  const { kind, mode, sizeBytes, modifiedMs, linkTarget } = entry;
  if (kind === 'link' && linkTarget === undefined) return strayLink(path);
  return { path, kind, mode, sizeBytes, ...(modifiedMs !== undefined && { modifiedMs }), ...(linkTarget !== undefined && { linkTarget }) };
}

const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function step(done: readonly string[], segment: string): string[] {
  return segment === '..' ? done.slice(0, -1) : [...done, segment];
}

/**
 * Records of so many fields, each ended by NUL; after them stands one last word. A proxy may hand on half of a file as if that were all: an
 * output would seem not to be there.
 */
async function eachRecord(content: Pieces, width: number, take: (fields: readonly string[]) => void): Promise<void> {
  let fields: string[] = [];
  let rest = '';
  for await (const piece of content) {
    // Latin-1 keeps every byte apart; what is no UTF-8 is found out where it is named.
    const pieces = (rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')).split('\0');
    rest = pieces.pop() ?? '';
    if (rest.length > MOST_FIELD) break;
    fields = [...fields, ...pieces];
    let at = 0;
    for (; fields.length - at > width; at += width) take(fields.slice(at, at + width));
    fields = fields.slice(at);
  }
  if (rest === '' && fields.length === 1 && fields[0] === WHOLE) return;
  throw new TransferError('the listing of the files of the job came broken', { retryable: true });
}

/** Final, so that nobody computes it again: the workspace is kept. */
function tooMany(most: number): TransferError {
  return new TransferError(`the job has more than ${most} files and directories, more than can be listed: they are to be packed into one`, {
    retryable: false,
  });
}
