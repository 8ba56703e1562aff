import { TransferError } from '../../ports/errors';
import type { WorkspaceEntry } from '../../ports/execution-backend';
import { segmentsOf } from '../shared/container-path';
import type { Segments } from '../shared/container-path';
import { strayLink, textOf, unnameable } from '../shared/file-names';
import { leadsToRoot, locate, rootOf } from '../shared/mount-plan';
import type { MountPlan } from '../shared/mount-plan';

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

  /** `listing`: kind, mode, size and time of change, path, target; `sums`: lines of sha256sum; each field or line ended by NUL. */
  static parse(plan: MountPlan, listing: Buffer, sums: Buffer): RemoteTrees {
    const hashes = new Map<string, string>();
    for (const line of sums.toString('latin1').split('\0')) {
      const match = /^([0-9a-f]{64}) [ *]trees\/([^]*)$/.exec(line);
      if (match) hashes.set(match[2] ?? '', match[1] ?? '');
    }
    const entries = new Map<string, RemoteEntry>();
    const children = new Map<string, string[]>();
    // Latin-1 keeps every byte apart; what is no UTF-8 is found out where it is named.
    const fields = listing.toString('latin1').split('\0');
    for (let at = 0; at + 4 < fields.length; at += 5) {
      const [kind = '', mode = '', numbers = '', path = '', target = ''] = fields.slice(at, at + 5);
      const [size, seconds] = numbers.split(' ');
      const slash = path.lastIndexOf('/');
      const sha256 = hashes.get(path);
      entries.set(path, {
        kind: KINDS[kind] ?? 'other',
        mode: Number.parseInt(mode, 8) & 0o777,
        sizeBytes: kind === 'f' ? Number(size) : 0,
        ...(seconds !== undefined && { modifiedMs: Number(seconds) * 1000 }),
        ...(kind === 'l' && { linkTarget: textOf(Buffer.from(target, 'latin1')) }),
        ...(sha256 !== undefined && { sha256 }),
      });
      const parent = slash < 0 ? '' : path.slice(0, slash);
      const siblings = children.get(parent);
      if (siblings) siblings.push(path.slice(slash + 1));
      else children.set(parent, [path.slice(slash + 1)]);
    }
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
