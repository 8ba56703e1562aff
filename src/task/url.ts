/** The scheme of a URL as TES allows it: a bare absolute path is `file`; lower case; `undefined` when it is neither. */
export function schemeOf(url: string): string | undefined {
  if (url.startsWith('/')) return 'file';
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(url)?.[1]?.toLowerCase();
}
