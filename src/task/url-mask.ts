/**
 * Userinfo (`user:password@`) in a URL is kept in the stored request, because the transfer needs it, and is shown to nobody:
 * not in a view, not in a log line, not in an error.
 */

/**
 * Schemes that `new URL` reads leniently: any number of slashes or backslashes before the host, even none. Their userinfo is
 * looked for in the same lenient way, or `http:user:pw@host/` would be fetched with a password that a view shows; and again
 * behind slashes, or what is left of `http:@\user:pw@host/` would be a URL with userinfo anew.
 */
const LENIENT = /^((?:https?|ftps?|wss?):[/\\]*)(?:[^/\\?#]*@[/\\]*)+/i;
const STRICT = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;

/** The URL without its userinfo; anything else about it stays byte for byte. A bare path is returned as it is. */
export function maskUserinfo(url: string): string {
  for (let shown = url; ;) {
    const pattern = patternOf(shown);
    if (pattern === undefined) return shown;
    // Again, because what is left may be userinfo to the other reading: `http://u\@/user:pw@host` becomes `http:///user:pw@host`.
    shown = shown.replace(pattern, '$1');
  }
}

/** Whether `maskUserinfo` would change it. */
export function hasUserinfo(url: string): boolean {
  return patternOf(url) !== undefined;
}

function patternOf(url: string): RegExp | undefined {
  if (!url.includes('@')) return undefined;
  return [LENIENT, STRICT].find((pattern) => pattern.test(url));
}
