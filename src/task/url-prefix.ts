/** A prefix of URLs in the words in which it is compared, or why it is none: public words that go on after its name. */
export function urlPrefix(text: string, schemes: readonly string[]): { readonly prefix: string } | { readonly fault: string } {
  const url = URL.parse(text);
  if (!url || !schemes.includes(url.protocol.slice(0, -1))) return { fault: `must be a URL of ${schemes.join(', ')}` };
  if (url.username !== '' || url.password !== '') return { fault: 'must hold no user name and no password' };
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) return { fault: 'must hold no query and no fragment' };
  return { prefix: url.href.replace(/\/+$/, '') };
}

/** What prefixes are held against: `..` resolved, without what is secret in it and without the query; `undefined` for what is no URL. */
export function bareUrl(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (!parsed) return undefined;
  parsed.username = parsed.password = parsed.search = parsed.hash = '';
  return parsed.href;
}

/** Whether a bare URL begins with a prefix, as `urlPrefix` has it: by whole segments of the path. */
export function isBelowPrefix(bare: string, prefix: string): boolean {
  return bare === prefix || bare.startsWith(`${prefix}/`);
}
