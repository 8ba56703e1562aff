import { isUtf8 } from 'node:buffer';
import type { WorkspaceEntry } from '../../ports/execution-backend';

/** The text of a name; `undefined` when it is not UTF-8: TES paths are JSON strings and cannot carry it. */
export function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

/** Something in a directory whose name is not UTF-8. */
export function unnameable(directory: string, name: Buffer): WorkspaceEntry {
  const shown = name.toString('latin1').replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return otherEntry(directory === '/' ? `/${shown}` : `${directory}/${shown}`, 'has a name that is not valid UTF-8');
}

/** A link that leads to such a name. */
export function strayLink(path: string): WorkspaceEntry {
  return otherEntry(path, 'is a link whose target is not valid UTF-8');
}

function otherEntry(path: string, reason: string): WorkspaceEntry {
  return { path, kind: 'other', sizeBytes: 0, mode: 0, reason };
}
