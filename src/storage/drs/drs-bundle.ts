import { TransferError } from '../../ports/errors';
import type { StorageEntry, StorageStat } from '../../ports/storage-client';
import { shownUrl } from '../../task/url';
import type { DrsAddress } from './drs-address';
import type { DrsContent, DrsObject } from './drs-object';

/** What a listing asks for. */
export interface Bundles {
  addressOf(url: string): DrsAddress;
  object(url: string, at: DrsAddress, whole: boolean): Promise<DrsObject>;
  stat(url: string, at: DrsAddress, object: DrsObject): Promise<StorageStat>;
}

/** Objects that are found at once. */
const AT_ONCE = 8;
/** Of one listing, all bundles together. */
const MOST_ENTRIES = 500_000;
const DEEPEST = 64;

/** Everything in a bundle, a directory before what it holds. Fails by name where a name is no file's, or is there twice. */
export async function* entriesOf(url: string, bundles: Bundles): AsyncGenerator<StorageEntry> {
  const at = bundles.addressOf(url);
  const { contents } = await bundles.object(url, at, true);
  if (!contents) throw new TransferError(`${shownUrl(url)} is an object, not a bundle`, { retryable: false });
  yield* new Listing(url, bundles).contents(contents, { path: '', at, above: new Set([at.objectUrl]) });
}

interface Level {
  /** Ends in a slash where it is not empty. */
  readonly path: string;
  /** Of the bundle, or of the nearest one above that has an address. */
  readonly at: DrsAddress;
  /** `objectUrl` of the bundles that lead here. */
  readonly above: ReadonlySet<string>;
}

interface Found {
  readonly path: string;
  readonly url: string;
  readonly at: DrsAddress;
  readonly object: DrsObject;
  readonly stat: StorageStat;
}

class Listing {
  private entries = 0;
  constructor(
    private readonly url: string,
    private readonly bundles: Bundles,
  ) {}

  async *contents(contents: readonly DrsContent[], level: Level): AsyncGenerator<StorageEntry> {
    this.entries += contents.length;
    if (this.entries > MOST_ENTRIES) throw this.failure(`it has more than ${MOST_ENTRIES} entries`);
    if (level.path.split('/').length > DEEPEST) throw this.failure(`it has more than ${DEEPEST} levels`);
    const names = new Set<string>();
    for (const { name } of contents) {
      if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name))
        throw this.failure(`${level.path}${JSON.stringify(name)} is no name of a file`);
      if (names.has(name)) throw this.failure(`${level.path}${name} is there twice`);
      names.add(name);
    }
    for (let first = 0; first < contents.length; first += AT_ONCE) {
      const found = await Promise.all(contents.slice(first, first + AT_ONCE).map((content) => this.found(content, level)));
      for (const one of found) yield* this.given(one, level);
    }
  }

  private async *given(
    one: Found | { readonly path: string; readonly contents: readonly DrsContent[] },
    level: Level,
  ): AsyncGenerator<StorageEntry> {
    if ('contents' in one) {
      yield { path: one.path, kind: 'directory' };
      yield* this.contents(one.contents, { ...level, path: `${one.path}/` });
      return;
    }
    const { path, url, at, object, stat } = one;
    if (stat.kind === 'file') {
      const { mode: _mode, ...known } = stat;
      yield { ...known, path, kind: 'file', url };
      return;
    }
    if (level.above.has(at.objectUrl)) throw this.failure(`${path} is a bundle that holds itself`);
    yield { path, kind: 'directory' };
    yield* this.contents(object.contents ?? [], { path: `${path}/`, at, above: new Set([...level.above, at.objectUrl]) });
  }

  private async found(
    content: DrsContent,
    level: Level,
  ): Promise<Found | { readonly path: string; readonly contents: readonly DrsContent[] }> {
    const path = `${level.path}${content.name}`;
    if (content.contents) return { path, contents: content.contents };
    const url = this.urlOf(content, path, level);
    const at = this.bundles.addressOf(url);
    // The answer of one that is a bundle holds its names, and what these hold is asked for in turn.
    const object = await this.bundles.object(url, at, false);
    return { path, url, at, object, stat: await this.bundles.stat(url, at, object) };
  }

  private urlOf({ id, urls }: DrsContent, path: string, { at }: Level): string {
    const url = urls.find((one) => one.startsWith('drs://'));
    if (url !== undefined) return url;
    if (id === undefined) throw this.failure(`${path} has neither an id nor a URL`);
    const beside = `drs://${at.host}/${encodeURIComponent(id)}`;
    if (folderOf(this.bundles.addressOf(beside).objectUrl) === folderOf(at.objectUrl)) return beside;
    throw this.failure(`${path} is named by its id alone, and storage.drs.servers does not say where ${at.host} has its objects`);
  }

  private failure(words: string): TransferError {
    return new TransferError(`the bundle ${shownUrl(this.url)} cannot be listed: ${words}`, { retryable: false });
  }
}

function folderOf(objectUrl: string): string {
  return objectUrl.replace(/[^/]*$/, '');
}
