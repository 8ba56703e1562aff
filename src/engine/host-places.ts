import { hostOf } from '../task/url';

/** Of the transfers that may be under way at once, so much may be with one host: the rest is left for others. */
const SHARE = 3 / 4;

/**
 * Which storage hosts the transfers of each backend's tasks are with now. A host that gives its data slowly, or never, then holds up only
 * tasks that need it: a task one of whose hosts has no place left is let go, and asks again.
 */
export class HostPlaces {
  private readonly taken = new Map<string, number>();
  private readonly most: number;

  /** `places`: of one backend's tasks so many move data at once. */
  constructor(places: number) {
    this.most = Math.max(1, Math.floor(places * SHARE));
  }

  /** Takes a place at each host, or none; what it returns gives them back. */
  take(backend: string, hosts: readonly string[]): (() => void) | undefined {
    if (this.fullHost(backend, hosts) !== undefined) return undefined;
    const keys = hosts.map((host) => keyOf(backend, host));
    for (const key of keys) this.taken.set(key, (this.taken.get(key) ?? 0) + 1);
    return () => {
      for (const key of keys) {
        const left = (this.taken.get(key) ?? 1) - 1;
        if (left > 0) this.taken.set(key, left);
        else this.taken.delete(key);
      }
    };
  }

  /** What a task waits for that would move data with these hosts, if one has no place left. */
  fullness(backend: string, hosts: readonly string[]): string | undefined {
    const host = this.fullHost(backend, hosts);
    if (host === undefined) return undefined;
    return `${this.most} of ${this.most} transfers with ${host === '' ? 'files' : host} are under way for backend ${backend}`;
  }

  private fullHost(backend: string, hosts: readonly string[]): string | undefined {
    return hosts.find((host) => (this.taken.get(keyOf(backend, host)) ?? 0) >= this.most);
  }
}

/** The hosts of these URLs or folders, without duplicates and userinfo; '' for files. Inline content has none. */
export function hostsOf(files: readonly { readonly url?: string; readonly content?: string }[]): readonly string[] {
  const hosts = new Set<string>();
  for (const { url, content } of files) if (url !== undefined && !content) hosts.add(hostOf(url));
  return [...hosts];
}

function keyOf(backend: string, host: string): string {
  return `${backend}\n${host}`;
}
