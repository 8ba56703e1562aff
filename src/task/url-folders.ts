import { maskUserinfo } from './url-mask';

/** Most folders kept of one task, and the most characters of one: the record of a task stays small. */
const MOST_FOLDERS = 32;
const MOST_LENGTH = 512;
const WHOLE_SCHEME = /^[a-z][a-z0-9+.-]*:\/\/$/i;

export interface PlacedFile {
  readonly url?: string;
  readonly content?: string;
  readonly type?: 'FILE' | 'DIRECTORY';
  readonly path_prefix?: string;
}

/**
 * The folders in which a task's inputs and outputs lie, each ending in a slash, without userinfo and query: what a backend must reach.
 * A folder inside another one of the list is left out. Where there are more, or longer ones, than a record should hold, the deepest
 * are replaced by the folder above: the task is then judged as if it used all of that.
 */
export function urlFolders(files: readonly PlacedFile[]): readonly string[] {
  const folders = new Set<string>();
  for (const { url, content, type, path_prefix: pathPrefix } of files) {
    const folder = url !== undefined && !content ? folderOf(url, type === 'DIRECTORY' || pathPrefix !== undefined) : undefined;
    if (folder !== undefined) folders.add(folder);
  }
  let kept = outermost([...folders]);
  while (kept.length > MOST_FOLDERS || kept.some(isTooLong)) {
    const deepest = Math.max(...kept.map(depth));
    // Nothing but whole schemes.
    if (deepest <= 2) break;
    const isTooMany = kept.length > MOST_FOLDERS;
    kept = outermost(kept.map((folder) => (isTooLong(folder) || (isTooMany && depth(folder) === deepest) ? above(folder) : folder)));
  }
  return kept;
}

/** The prefixes of the settings as folders. A prefix ends at a slash: `s3://a/b` covers `s3://a/b/c`, not `s3://a/bc`. */
export function prefixFolders(prefixes: readonly string[]): readonly string[] {
  return prefixes.flatMap((prefix) => folderOf(prefix, true) ?? []);
}

/** The first folder that lies below none of the others. */
export function uncovered(folders: readonly string[], roots: readonly string[]): string | undefined {
  return folders.find((folder) => !roots.some((root) => folder.startsWith(root)));
}

/** `undefined` for what is no URL. `file` for bare absolute paths; dots in the path are worked out, so that none leads out of a prefix. */
export function folderOf(url: string, isFolder: boolean): string | undefined {
  if (WHOLE_SCHEME.test(url) && isFolder) return url.toLowerCase();
  const parsed = URL.parse(url.startsWith('/') ? `file://${encoded(url)}` : maskUserinfo(url));
  if (!parsed) return undefined;
  const { protocol, host, pathname } = parsed;
  const path = isFolder ? pathname : pathname.slice(0, pathname.lastIndexOf('/') + 1);
  return `${protocol}//${host}/${path.replace(/^\/+|\/+$/g, '')}/`.replace(/\/\/$/, '/');
}

/** A path is no URL: what has a meaning there is an ordinary character here. */
function encoded(path: string): string {
  return path.replace(/[%?#\\]/g, (character) => encodeURIComponent(character));
}

function outermost(folders: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const folder of [...new Set(folders)].sort()) if (!kept.some((root) => folder.startsWith(root))) kept.push(folder);
  return kept;
}

function isTooLong(folder: string): boolean {
  return folder.length > MOST_LENGTH && !WHOLE_SCHEME.test(folder);
}

/** 2 for a whole scheme, 3 for a host. */
function depth(folder: string): number {
  return folder.split('/').length - 1;
}

function above(folder: string): string {
  return WHOLE_SCHEME.test(folder) ? folder : folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1);
}
