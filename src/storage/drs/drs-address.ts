import { shownUrl } from '../../task/url';

/** A server of DRS objects: an entry of the setting `storage.drs.servers`. */
export interface DrsServer {
  /** Lower case, with its port where `drs:` URLs name one. */
  readonly host: string;
  /** Where it answers; absent: `https://HOST/ga4gh/drs/v1`. */
  readonly url?: string;
  readonly token?: string;
  readonly username?: string;
  readonly password?: string;
}

export interface DrsNames {
  readonly servers: readonly DrsServer[];
  /** Prefix of compact identifiers (`PREFIX`, or `PROVIDER/PREFIX`) -> URL of the objects, with `{$id}` where the accession stands. */
  readonly compactIds: Readonly<Record<string, string>>;
}

/** Where one object is asked for. */
export interface DrsAddress {
  /** `https://HOST/ga4gh/drs/v1/objects/ID`, without a query. */
  readonly objectUrl: string;
  /** Of the server, as settings and saved credentials name it. */
  readonly host: string;
}

const HOST_BASED = /^drs:\/\/([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?)\/([^?#]+)$/i;
/** As DRS 1.3 has it: a prefix, after a provider's where there is one, a colon, and an accession. */
const COMPACT = /^drs:\/\/((?:[a-z0-9._]+\/)?[a-z0-9._]+):([^?#@]+)$/i;
/** Longer than any that a server makes; it comes back in errors and lists. */
const LONGEST_ID = 1024;

/**
 * Reads `drs://HOST[:PORT]/ID` and compact identifiers, `drs://PREFIX:ACCESSION` (GA4GH DRS 1.3, "DRS URIs"). A colon that no port follows makes a
 * compact one; so does a prefix that the settings name. Returns public words where it is neither, or the settings do not know the prefix.
 */
export function addressOf(url: string, { servers, compactIds }: DrsNames): DrsAddress | string {
  const compact = COMPACT.exec(url);
  const hostBased = HOST_BASED.exec(url);
  const prefix = compact?.[1]?.toLowerCase() ?? '';
  const template = Object.hasOwn(compactIds, prefix) ? compactIds[prefix] : undefined;
  if (compact && template !== undefined) return compactAddress(template, compact[2] ?? '', servers);
  if (hostBased) {
    const host = (hostBased[1] ?? '').toLowerCase();
    const id = unescaped(hostBased[2] ?? '');
    const fault = faultOf(id);
    if (fault !== undefined) return `${shownUrl(url)} ${fault}`;
    return { objectUrl: `${baseOf(host, servers)}/objects/${encodeURIComponent(id)}`, host };
  }
  if (compact) return `${shownUrl(url)}: the setting storage.drs.compact_ids knows no prefix ${prefix}`;
  return `${shownUrl(url)} is neither drs://HOST/ID nor drs://PREFIX:ACCESSION`;
}

function compactAddress(template: string, written: string, servers: readonly DrsServer[]): DrsAddress | string {
  const accession = unescaped(written);
  const fault = faultOf(accession);
  if (fault !== undefined) return `an accession ${fault}`;
  const objectUrl = template.replace('{$id}', () => encodeURIComponent(accession));
  // Some server of the settings answers there: what they say of it counts.
  const known = servers.find(({ host }) => objectUrl.startsWith(`${baseOf(host, servers)}/`));
  return { objectUrl, host: known?.host ?? URL.parse(objectUrl)?.host ?? '' };
}

function baseOf(host: string, servers: readonly DrsServer[]): string {
  return (servers.find((server) => server.host.toLowerCase() === host)?.url ?? `https://${host}/ga4gh/drs/v1`).replace(/\/+$/, '');
}

function faultOf(id: string): string | undefined {
  if (id === '' || id.length > LONGEST_ID) return `must have 1 to ${LONGEST_ID} characters`;
  // Some servers, and what stands before them, resolve these even where they are escaped.
  if (id.split('/').some((segment) => segment === '.' || segment === '..')) return 'must not have . or .. as a segment';
  return /[\0-\x1f\x7f]/.test(id) ? 'must hold no control characters' : undefined;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
