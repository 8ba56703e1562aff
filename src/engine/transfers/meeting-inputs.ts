import { TransferError } from '../../ports/errors';
import { isBelow, parentOf } from '../../task/container-path';
import { hasBelow } from '../../task/folders';

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
  private readonly inputs: ReadonlySet<string>;
  private readonly folders: readonly string[];
  private readonly meets: boolean;
  private readonly brought = new Map<string, Brought>();

  constructor(paths: readonly string[]) {
    this.inputs = new Set(paths);
    this.folders = paths.map((path) => `${path}/`).sort();
    this.meets = paths.some((path) => this.holderOf(parentOf(path)) !== undefined);
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
      const inner = [...this.inputs].find((input) => isBelow(input, path)) ?? '';
      throw meeting(`${what.source} would be a ${what.kind} at ${path}, where input ${inner} needs a directory`);
    }
    const holder = this.holderOf(path === what.input ? parentOf(path) : path);
    if (holder !== undefined && holder !== what.input) this.brought.set(path, what);
    return true;
  }

  /** The nearest input at or above a path. */
  private holderOf(path: string): string | undefined {
    for (let at = path; at !== '/'; at = parentOf(at)) if (this.inputs.has(at)) return at;
    return undefined;
  }
}

function meeting(text: string): TransferError {
  return new TransferError(text, { retryable: false });
}
