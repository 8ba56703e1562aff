import { posix } from 'node:path';

/** A `file` URL taken apart: the absolute path it names, or why it names none. */
export type FilePath = { readonly path: string; readonly problem?: undefined } | { readonly problem: string };

/**
 * A bare absolute path is literal. A `file:` URL (RFC 8089: `file:/x`, `file:///x`, `file://localhost/x`) is percent-decoded; a `%`
 * that starts no escape stays a `%`, and `?` and `#` belong to the path, because workflow engines write file names into URLs as they are.
 * `..` is resolved by text, as in any URL, before anything is looked up. A trailing slash means nothing.
 */
export function filePathOf(url: string): FilePath {
  const written = url.startsWith('/') ? { path: url } : pathOfFileUrl(url);
  if (written.problem !== undefined) return written;
  if (written.path.includes('\0')) return { problem: 'holds a NUL character' };
  if (!written.path.isWellFormed()) return { problem: 'is not valid Unicode' };
  const path = posix.normalize(written.path);
  return { path: path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path };
}

function pathOfFileUrl(url: string): FilePath {
  const match = /^file:(?:\/\/([^/]*)(\/[^]*)|(\/(?!\/)[^]*))$/i.exec(url);
  if (!match) return { problem: 'names no absolute path (file:///path)' };
  const host = match[1] ?? '';
  if (host !== '' && host.toLowerCase() !== 'localhost') return { problem: `names a file on another host (${host})` };
  const raw = match[2] ?? match[3] ?? '';
  if (/%2f/i.test(raw)) return { problem: 'holds an encoded slash' };
  try {
    return { path: raw.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => decodeURIComponent(escapes)) };
  } catch {
    return { problem: 'holds an escape that is not UTF-8' };
  }
}

/** See `StorageClient.join`: literal after a bare path, percent-encoded after a `file:` URL. */
export function joinFileUrl(url: string, relative: string): string {
  const base = url.replace(/\/+$/, '');
  const tail = relative.replace(/^\/+/, '');
  return url.startsWith('/') ? `${base}/${tail}` : `${base}/${encodeURI(tail).replace(/[?#]/g, encodeURIComponent)}`;
}
