import type { CredentialKind } from '../ports/credentials';
import { urlPrefix } from '../task/url-prefix';

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
  const scheme = URL.parse(text)?.protocol.slice(0, -1) ?? '';
  if (!schemes.includes(scheme)) return { fault: `must be a URL of ${schemes.join(', ')}: no other storage here takes credentials` };
  const found = urlPrefix(text, schemes);
  if ('fault' in found) return found;
  const { prefix: target } = found;
  return target.length > LONGEST_PREFIX ? { fault: `must be at most ${LONGEST_PREFIX} characters` } : { target };
}

function hostOf(text: string): Target {
  const host = text.toLowerCase();
  if (host.length > LONGEST_HOST || !HOST.test(host))
    return { fault: 'must be a host, with its port where it has one: registry.example.org:5000' };
  return { target: DOCKER_HUB.has(host) ? 'docker.io' : host };
}
