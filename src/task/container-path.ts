/**
 * Absolute paths inside a container, handled as text: nothing here looks at a file system, and `..` is resolved lexically.
 * "Normalised" below means: starts with `/`, single slashes, no `.` or `..` segment, no trailing slash (but for `/` itself).
 */

/** What the kernel takes for a path (PATH_MAX without its NUL) and for one name (NAME_MAX), in bytes. */
const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;

/** Nearly every path: normalised as it stands, and nothing to look at twice. */
const PLAIN = /^(?:\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254})+$/;

/** Directories that belong to the container runtime; nothing may be mounted on, in or over them. */
const RESERVED_DIRECTORIES = ['/proc', '/sys', '/dev'] as const;

export type ContainerPathCheck =
  | { readonly ok: true; readonly path: string }
  /** `reason` completes the sentence "it ...". */
  | { readonly ok: false; readonly reason: string };

/** Normalises a path a client sent, or says why it is not one: relative, NUL, not Unicode, too long, or `..` leads out of the root. */
export function checkContainerPath(path: string): ContainerPathCheck {
  if (path.length <= MAX_PATH_BYTES && PLAIN.test(path)) return { ok: true, path };
  if (!path.startsWith('/')) return { ok: false, reason: 'must be an absolute path inside the container' };
  if (path.includes('\0')) return { ok: false, reason: 'must not hold a NUL character' };
  if (!path.isWellFormed()) return { ok: false, reason: 'must be valid Unicode (it holds a lone surrogate)' };
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      if (segments.pop() === undefined) return { ok: false, reason: "leaves the container's root directory through '..'" };
      continue;
    }
    if (longerThan(segment, MAX_NAME_BYTES)) return { ok: false, reason: `has a name longer than ${MAX_NAME_BYTES} bytes` };
    segments.push(segment);
  }
  const normalised = `/${segments.join('/')}`;
  if (longerThan(normalised, MAX_PATH_BYTES)) return { ok: false, reason: `is longer than ${MAX_PATH_BYTES} bytes` };
  return { ok: true, path: normalised };
}

function longerThan(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}

/** The normalised path. For paths that `checkTask` has let through; throws on any other. */
export function normalizeContainerPath(path: string): string {
  const checked = checkContainerPath(path);
  if (!checked.ok) throw new Error(`not a container path: ${JSON.stringify(path)} ${checked.reason}`);
  return checked.path;
}

/** True when a normalised path is `/`, or is or lies below `/proc`, `/sys` or `/dev`: never an input, output or volume. */
export function isReservedPath(path: string): boolean {
  return path === '/' || RESERVED_DIRECTORIES.some((directory) => isSameOrBelow(path, directory));
}

/** Whether `path` is `directory` or lies below it, by segments: `/output` is not below `/out`. Both normalised. */
export function isSameOrBelow(path: string, directory: string): boolean {
  if (directory === '/') return true;
  return path.startsWith(directory) && (path.length === directory.length || path[directory.length] === '/');
}

/** Whether `path` lies below `directory` and is not the directory itself. Both normalised. */
export function isBelow(path: string, directory: string): boolean {
  return path !== directory && isSameOrBelow(path, directory);
}

/** What is left of `path` below `directory`, without a leading slash; `''` for the directory itself, `undefined` when it is not below. Both normalised. */
export function relativeTo(directory: string, path: string): string | undefined {
  if (!isSameOrBelow(path, directory)) return undefined;
  return path.slice(directory === '/' ? 1 : directory.length + 1);
}

/** The directory a normalised path lies in; `/` for `/`. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

/** `relative` (as `relativeTo` gives it) below a normalised directory. */
export function joinContainerPath(directory: string, relative: string): string {
  if (relative === '') return directory;
  return directory === '/' ? `/${relative}` : `${directory}/${relative}`;
}

/** The same paths by their segments. */
export type Segments = readonly string[];

/** `.` and empty segments vanish, `..` goes up and stops at the root. */
export function segmentsOf(path: string): Segments {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') segments.pop();
    else segments.push(segment);
  }
  return segments;
}

export function pathOf(segments: Segments): string {
  return `/${segments.join('/')}`;
}

/** With a slash at its end, as `src/task/folders.ts` reads directories. */
export function folderOf(segments: Segments): string {
  return segments.length === 0 ? '/' : `/${segments.join('/')}/`;
}

/** True for the directory itself and everything below it. */
export function isWithin(inner: Segments, outer: Segments): boolean {
  return outer.length <= inner.length && outer.every((segment, index) => segment === inner[index]);
}

/**
 * The directory that surely exists for every match: what stands before the first segment with a wildcard. A backslash counts as one: what
 * it quotes is not in the name.
 */
export function fixedSegments(pattern: string): Segments {
  const segments = segmentsOf(pattern);
  const wild = segments.findIndex((segment) => mayHoldWildcard(segment) || segment.includes('\\'));
  return wild < 0 ? segments : segments.slice(0, wild);
}

export function hasWildcard(pattern: string): boolean {
  return fixedSegments(pattern).length < segmentsOf(pattern).length;
}

/** Whether a path holds anything that may be a wildcard; cheap, and false for nearly every path. */
export function mayHoldWildcard(path: string): boolean {
  return /[*?[{]/.test(path);
}
