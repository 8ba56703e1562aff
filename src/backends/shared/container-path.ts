/**
 * Paths as the container sees them: absolute, `/` between segments. Compared by segments, never as strings, so that
 * `/data` does not hold `/data2`.
 */
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

/** The directory that surely exists for every match: what stands before the first segment with a wildcard. */
export function fixedSegments(pattern: string): Segments {
  const segments = segmentsOf(pattern);
  const wild = segments.findIndex((segment) => /[*?[{\\]/.test(segment));
  return wild < 0 ? segments : segments.slice(0, wild);
}

export function hasWildcard(pattern: string): boolean {
  return fixedSegments(pattern).length < segmentsOf(pattern).length;
}
