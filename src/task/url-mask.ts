/**
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

/** Whether `maskUserinfo` would change it. */
export function hasUserinfo(url: string): boolean {
  return maskUserinfo(url) !== url;
}

function leniently(url: string): string {
  const start = LENIENT.exec(url)?.[0].length;
  if (start === undefined) return url;
  let end = start;
  LENIENT_USERINFO.lastIndex = end;
  while (LENIENT_USERINFO.test(url)) end = LENIENT_USERINFO.lastIndex;
  return url.slice(0, start) + url.slice(end);
}
