import { maskUserinfo } from './url';

/** Most folders kept of one task, and the most characters of one: the record of a task stays small. */
const MOST_FOLDERS = 32;
const MOST_LENGTH = 512;
/** Nearly every URL and path: nothing in it that `URL` would write in another way. Not a host that may be a number, nor `.` and `..`. */
const NAME = '[A-Za-z0-9_~-][A-Za-z0-9_.~-]*';
const HOST = '(?!xn--)(?:[a-z0-9-]+\\.(?!xn--))*[a-z][a-z0-9-]*';
const PLAIN = new RegExp(`^(?:(?:https?|s3|gs|ftp)://${HOST})?/(?:${NAME}/)*(?:${NAME})?$`);
const WHOLE_SCHEME = /^[a-z][a-z0-9+.-]*:\/\/$/i;

export interface PlacedFile {
  readonly url?: string;
  readonly content?: string;
  readonly type?: 'FILE' | 'DIRECTORY';
  readonly path_prefix?: string;
}

/**
 * The folders in which a task's inputs and outputs lie, each ending in a slash, without userinfo and query: what a backend must reach.
 * A folder inside another one of the list is left out. Where there are more, or longer ones, than a record should hold, some are replaced
 * by the folder above that holds them: the task is then judged as if it used all of that.
 */
export function urlFolders(files: readonly PlacedFile[]): readonly string[] {
  const folders: string[] = [];
  for (const { url, content, type, path_prefix: pathPrefix } of files) {
    const folder = url !== undefined && !content ? folderOf(url, type === 'DIRECTORY' || pathPrefix !== undefined) : undefined;
    if (folder !== undefined) folders.push(shortened(folder));
  }
  return covering(folders).sort();
}

/** At most `MOST_FOLDERS`, but for schemes, of which each has one. From above, so that of thousands of folders most are never compared. */
function covering(folders: readonly string[]): string[] {
  const covering: string[] = [];
  const open = [...byNextName(folders, (folder) => folder.indexOf('//') + 2).values()];
  for (let group = open.shift(); group !== undefined; group = open.shift()) {
    const common = commonFolder(group);
    const room = MOST_FOLDERS - covering.length - open.length;
    const isOne = group.some((folder) => folder.length === common.length);
    const below = isOne ? undefined : byNextName(group, (folder) => folder.indexOf('/', common.length) + 1, room);
    if (below === undefined || below.size > room) covering.push(common);
    else open.push(...below.values());
  }
  return covering;
}

/** Stops with more than `most` groups. */
function byNextName(folders: readonly string[], end: (folder: string) => number, most = Infinity): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const folder of folders) {
    const name = folder.slice(0, end(folder));
    const group = groups.get(name);
    if (group) group.push(folder);
    else groups.set(name, [folder]);
    if (groups.size > most) break;
  }
  return groups;
}

/** The deepest folder that holds them all. */
function commonFolder([first = '', ...others]: readonly string[]): string {
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && first.charCodeAt(same) === other.charCodeAt(same)) same++;
    length = same;
  }
  return first.slice(0, first.lastIndexOf('/', length - 1) + 1);
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
  if (PLAIN.test(url)) {
    const folder = isFolder && !url.endsWith('/') ? `${url}/` : url.slice(0, url.lastIndexOf('/') + 1);
    return url.startsWith('/') ? `file://${folder}` : folder;
  }
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

/** The folder, or the nearest one above it that is short enough; of a long host its whole scheme. */
function shortened(folder: string): string {
  if (folder.length <= MOST_LENGTH || WHOLE_SCHEME.test(folder)) return folder;
  return folder.slice(0, Math.max(folder.indexOf('//') + 2, folder.lastIndexOf('/', MOST_LENGTH - 1) + 1));
}
