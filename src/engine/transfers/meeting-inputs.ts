import { TransferError } from '../../ports/errors';
import { hasBelow, holdersOf, nearestHolderOf } from '../../task/folders';

/** What an input brings to one path. */
export interface Brought {
  /** Path of the input. */
  readonly input: string;
  readonly kind: 'file' | 'directory' | 'link';
  /** `StorageClient.identity` of what it is; absent: inline content. */
  readonly identity?: string;
  /** As messages name it. */
  readonly source: string;
}

/**
 * Inputs of which one lies in the directory of another: what both bring to one path must be the same. Remembers nothing of inputs that
 * do not meet, and of a directory only what lies where another input is. Directories come before the inputs inside them.
 */
export class MeetingInputs {
  /** The inputs as folders, in order, and the nearest one that each lies in. */
  private readonly folders: readonly string[];
  private readonly holders: readonly (number | undefined)[];
  private readonly meets: boolean;
  private readonly brought = new Map<string, Brought>();

  constructor(paths: readonly string[]) {
    this.folders = paths.map((path) => `${path}/`).sort();
    this.holders = holdersOf(this.folders);
    this.meets = this.holders.some((holder) => holder !== undefined);
  }

  /** Whether it is still to be brought: false when the same is there already. Throws when something else is, or has to be. */
  claim(path: string, what: Brought): boolean {
    if (!this.meets) return true;
    const there = this.brought.get(path);
    if (there) {
      if (there.kind === 'directory' && what.kind === 'directory') return true;
      if (there.identity !== undefined && there.identity === what.identity) return false;
      throw meeting(`${what.source} would be at ${path}, where input ${there.input} has ${there.source}`);
    }
    if (what.kind !== 'directory' && hasBelow(this.folders, `${path}/`)) {
      const inner = this.folders.find((folder) => folder.startsWith(`${path}/`) && folder.length > path.length + 1)?.slice(0, -1) ?? '';
      throw meeting(`${what.source} would be a ${what.kind} at ${path}, where input ${inner} needs a directory`);
    }
    const holder = this.holderOf(path, what.input);
    if (holder !== undefined && holder !== what.input) this.brought.set(path, what);
    return true;
  }

  /** The nearest input at or above a path; of an input itself the one above it. */
  private holderOf(path: string, input: string): string | undefined {
    const index = nearestHolderOf(this.folders, this.holders, `${path}/`);
    const holder = index !== undefined && path === input ? this.holders[index] : index;
    return holder === undefined ? undefined : this.folders[holder]?.slice(0, -1);
  }
}

function meeting(text: string): TransferError {
  return new TransferError(text, { retryable: false });
}
