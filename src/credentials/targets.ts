import type { CredentialKind } from '../ports/credentials';

const LONGEST_PREFIX = 1000;
const LONGEST_HOST = 261;
/** A name, or an address (of IPv6 in brackets), and a port. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/;
/** Names under which the same registry is known. */
const DOCKER_HUB: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com', 'hub.docker.com']);

export type Target = { readonly target: string } | { readonly fault: string };

/** What a user names, always in the same words; or public words that go on after the name of the member. */
export function targetOf(kind: CredentialKind, text: string, schemes: readonly string[]): Target {
  switch (kind) {
    case 'storage':
      return prefixOf(text, schemes);
    case 'registry':
      return hostOf(text);
    default: {
      const never: never = kind;
      return never;
    }
  }
}

function prefixOf(text: string, schemes: readonly string[]): Target {
  const url = URL.parse(text);
  const scheme = url?.protocol.slice(0, -1) ?? '';
  if (!url || !schemes.includes(scheme))
    return { fault: `must be a URL of ${schemes.join(', ')}: no other storage here takes credentials` };
  if (url.username !== '' || url.password !== '') return { fault: 'must hold no user name and no password' };
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) return { fault: 'must hold no query and no fragment' };
  const target = url.href.replace(/\/+$/, '');
  return target.length > LONGEST_PREFIX ? { fault: `must be at most ${LONGEST_PREFIX} characters` } : { target };
}

function hostOf(text: string): Target {
  const host = text.toLowerCase();
  if (host.length > LONGEST_HOST || !HOST.test(host))
    return { fault: 'must be a host, with its port where it has one: registry.example.org:5000' };
  return { target: DOCKER_HUB.has(host) ? 'docker.io' : host };
}

/** What prefixes are held against: `..` resolved, without what is secret in it and without the query; `undefined` for what is no URL. */
export function bareUrl(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (!parsed) return undefined;
  parsed.username = parsed.password = parsed.search = parsed.hash = '';
  return parsed.href;
}

/** Whether a bare URL begins with a prefix, as `targetOf` has it: by whole segments of the path. */
export function isBelow(bare: string, prefix: string): boolean {
  return bare === prefix || bare.startsWith(`${prefix}/`);
}
