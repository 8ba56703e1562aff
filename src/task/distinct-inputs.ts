import { normalizeContainerPath } from './container-path';
import type { TesInput } from './tes';

/** An input with its index in the request (overlays count by it) and its normalised path. */
export interface PlacedInput {
  readonly index: number;
  readonly path: string;
  readonly input: TesInput;
}

/** Two URLs with one identity name one object, as far as their text shows. */
export type UrlIdentity = (url: string) => string;

/** Whether two inputs on one path bring the same thing. Name, description and `streamable` do not matter. */
export function isSameInput(one: TesInput, other: TesInput, identity: UrlIdentity): boolean {
  if (one.type !== other.type || (one.content || undefined) !== (other.content || undefined)) return false;
  if (one.content || one.url === other.url) return true;
  return one.url !== undefined && other.url !== undefined && identity(one.url) === identity(other.url);
}

/** The inputs to stage: the same one given twice is staged once. For requests that `checkTask` let through. */
export function distinctInputs(inputs: readonly TesInput[] | undefined): PlacedInput[] {
  const placed = new Map<string, PlacedInput>();
  for (const [index, input] of (inputs ?? []).entries()) {
    const path = normalizeContainerPath(input.path);
    if (!placed.has(path)) placed.set(path, { index, path, input });
  }
  return [...placed.values()];
}
