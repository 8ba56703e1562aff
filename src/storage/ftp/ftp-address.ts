import { isIP } from 'node:net';

/** Where something is on an FTP server. */
export interface FtpAddress {
  /** As it was written. */
  readonly url: string;
  /** TLS is asked for before the login (`AUTH TLS`). */
  readonly isSecure: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** Of the URL; absent = it names nobody. */
  readonly user?: string;
  readonly password?: string;
  /** Below where the login leads, or, with a leading slash, from the root. `''` is where the login leads. No trailing slash. */
  readonly path: string;
}

const USUAL_PORT = 21;
/** RFC 1738, 3.2.2. Transfers are binary whatever it says. */
const TYPE = /;type=[aid]$/i;

/** The address, or what goes on after "URL": why it is none. */
export function addressOf(url: string): FtpAddress | { readonly problem: string } {
  const scheme = /^(ftps?):\/\//i.exec(url)?.[1]?.toLowerCase();
  // The parser knows hosts and ports of `ftp` alone.
  const parsed = scheme === undefined || url[scheme.length + 3] === '/' ? null : URL.parse(`ftp${url.slice(scheme.length)}`);
  if (!parsed || parsed.hostname === '') return { problem: 'is not an FTP URL: ftp://HOST/PATH' };
  if (parsed.search !== '' || parsed.hash !== '') return { problem: 'holds a ? or #, which a path on an FTP server has as %3F and %23' };
  const [user, password, path] = [parsed.username, parsed.password, parsed.pathname.slice(1).replace(TYPE, '')].map(decoded);
  if (user === undefined || password === undefined || path === undefined) return { problem: 'holds an escape that is not UTF-8' };
  // Each would be the end of a command, and what follows another one.
  if (/[\r\n\0]/.test(user + password + path)) return { problem: 'holds a line break or NUL, which FTP cannot say' };
  if (path.split('/').some((segment) => segment === '..' || segment === '.')) return { problem: 'holds . or .. behind an escape' };
  return {
    url,
    isSecure: scheme === 'ftps',
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? USUAL_PORT : Number(parsed.port),
    ...(user !== '' && { user }),
    ...(password !== '' && { password }),
    path: path.length > 1 ? path.replace(/\/+$/, '') : path,
  };
}

/** Of two addresses of one object the same text. Another user may see another tree. */
export function identityOf({ isSecure, host, port, user = '', path }: FtpAddress): string {
  const shown = isIP(host) === 6 ? `[${host}]` : host;
  return `${isSecure ? 'ftps' : 'ftp'}://${encodeURIComponent(user)}@${shown}:${port}/${path}`;
}

/** As a command takes it: what begins with a space would lose it, and what begins with `-` be an option. */
export function argumentOf(path: string): string {
  if (path === '') return '.';
  return /^[ -]/.test(path) ? `./${path}` : path;
}

export function joinPath(directory: string, name: string): string {
  if (directory === '') return name;
  return directory.endsWith('/') ? `${directory}${name}` : `${directory}/${name}`;
}

/** `''` or `/` of what lies at the top. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at > 0 ? path.slice(0, at) : path.slice(0, at + 1);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Exactly one slash between, each segment escaped. */
export function joinUrl(url: string, relative: string): string {
  const tail = relative.replace(/^\/+/, '').split('/').map(encodeURIComponent).join('/');
  return `${url.replace(/\/+$/, '')}/${tail}`;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
