/** The scheme of a URL as TES allows it: a bare absolute path is `file`; lower case; `undefined` when it is neither. */
export function schemeOf(url: string): string | undefined {
  if (url.startsWith('/')) return 'file';
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(url)?.[1]?.toLowerCase();
}

/** Whether a URL ends in a slash (of its path, where it has a query): a file stored there goes into that directory, under its own name. */
export function namesFolder(url: string): boolean {
  return withoutQuery(url).endsWith('/');
}

function withoutQuery(url: string): string {
  return /^https?:/i.test(url) ? url.replace(/[?#][^]*$/, '') : url;
}

/** The host of a URL, with its port where that is not the usual one; `''` for a file. */
export function hostOf(url: string): string {
  return URL.parse(url)?.host ?? '';
}

/*
 * Userinfo (`user:password@`) in a URL is kept in the stored request, because the transfer needs it, and is shown to nobody:
 * not in a view, not in a log line, not in an error.
 */

/**
 * Schemes that `new URL` reads leniently: any number of slashes or backslashes before the host, even none. Their userinfo is
 * looked for in the same lenient way, or `http:user:pw@host/` would be fetched with a password that a view shows; and again
 * behind slashes, or what is left of `http:@\user:pw@host/` would be a URL with userinfo anew.
 */
const LENIENT = /^(?:https?|ftps?|wss?):[/\\]*/i;
/** One after the other: as one pattern they take more stack than there is, of a URL that holds millions. */
const LENIENT_USERINFO = /[^/\\?#]*@[/\\]*/y;
const STRICT = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;

/** The URL without its userinfo; anything else about it stays byte for byte. A bare path is returned as it is. */
export function maskUserinfo(url: string): string {
  for (let shown = url; ;) {
    if (!shown.includes('@')) return shown;
    const masked = leniently(shown).replace(STRICT, '$1');
    if (masked.length === shown.length) return shown;
    // Again, because what is left may be userinfo to the other reading: `http://u\@/user:pw@host` becomes `http:///user:pw@host`.
    shown = masked;
  }
}

/**
 * Members of a query that let whoever has the URL do what its owner may: signatures of presigned URLs (S3, Google, Azure, CloudFront), tokens,
 * keys. In a path `?` is a character as any other.
 */
export const SECRET_MEMBER = /[?&](?:[\w-]*(?:signature|token|secret|password)|sig|[\w-]*(?:api|access)[_-]?key)=/i.source;
const SIGNED = new RegExp(`(${SECRET_MEMBER})[^&#]+`, 'gi');

/** Without one of these there is neither userinfo nor a query. Most URLs have none, and every answer is searched. */
const MAY_HOLD_SECRETS = /[@?&]/;

/** A URL as its owner is shown it: without userinfo and signatures, the rest byte for byte. */
export function maskSecrets(url: string): string {
  if (!MAY_HOLD_SECRETS.test(url)) return url;
  const masked = maskUserinfo(url);
  return schemeOf(url) === 'file' ? masked : masked.replace(SIGNED, '$1***');
}

/** Whether `maskSecrets` would change it. */
export function hasSecrets(url: string): boolean {
  return maskSecrets(url) !== url;
}

function leniently(url: string): string {
  const start = LENIENT.exec(url)?.[0].length;
  if (start === undefined) return url;
  let end = start;
  LENIENT_USERINFO.lastIndex = end;
  while (LENIENT_USERINFO.test(url)) end = LENIENT_USERINFO.lastIndex;
  return url.slice(0, start) + url.slice(end);
}

/** A URL as system logs and errors name it: without userinfo, and of http without the query. */
export function shownUrl(url: string): string {
  return withoutQuery(maskSecrets(url));
}
