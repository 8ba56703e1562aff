/** The scheme of a URL as TES allows it: a bare absolute path is `file`; lower case; `undefined` when it is neither. */
export function schemeOf(url: string): string | undefined {
  if (url.startsWith('/')) return 'file';
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(url)?.[1]?.toLowerCase();
}

/** Whether a URL ends in a slash (of its path, where it has a query): a file stored there goes into that directory, under its own name. */
export function namesFolder(url: string): boolean {
  return (/^https?:/i.test(url) ? url.replace(/[?#][^]*$/, '') : url).endsWith('/');
}

/** The host of a URL, with its port where that is not the usual one; `''` for a file. */
export function hostOf(url: string): string {
  return URL.parse(url)?.host ?? '';
}
