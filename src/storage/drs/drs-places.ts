import { TransferError } from '../../ports/errors';
import type { OtherStorages, StorageClient, StorageStat } from '../../ports/storage-client';
import type { Owner } from '../../task/owner';
import { schemeOf, shownUrl } from '../../task/url';
import type { DrsAddress } from './drs-address';
import type { AccessMethod, AccessUrl, DrsObject } from './drs-object';
import type { DrsServers } from './drs-server';

/** Where the bytes of an object are. */
export interface Place {
  readonly client: StorageClient;
  /** May hold a signature. */
  readonly url: string;
  readonly stat: StorageStat;
  /** Its client was made for this place, and is closed with it. */
  readonly isOwn: boolean;
}

/** Ways to an object's bytes, the cheapest first. What is not here (globus, gsiftp, htsget) is no storage of ours. */
const PREFERENCE = ['file', 's3', 'gs', 'https', 'http', 'ftp', 'ftps'];
/** Ways that are tried for one object. */
const MOST = 20;

/**
 * Finds a place of an object that can be read here: each way that it offers, in the order above, until one shows a file of the size that the
 * object has. Where none does, a storage that is away counts more than one that refuses: waiting may help.
 */
export async function placeOf(
  shown: string,
  at: DrsAddress,
  object: DrsObject,
  { servers, others, owner }: { readonly servers: DrsServers; readonly others: OtherStorages; readonly owner: Owner | undefined },
  signal: AbortSignal,
): Promise<Place> {
  const failures: TransferError[] = [];
  for (const way of waysOf(object.methods)) {
    try {
      const access = 'accessId' in way ? await servers.access(at, way.accessId, signal) : way;
      return await reached(access, object, others, owner, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransferError)) throw error;
      failures.push(error);
    }
  }
  const worth = failures.find(({ away }) => away) ?? failures.find(({ retryable }) => retryable) ?? failures[0];
  if (worth) throw worth.reworded(`${shown} cannot be read: ${worth.publicMessage}`);
  const types = [...new Set(object.methods.map(({ type }) => type))].slice(0, MOST).join(', ');
  throw new TransferError(
    `${shown} cannot be read: ${types === '' ? 'its server offers no way to its bytes' : `it is offered by ${types}, which this server does not read`}`,
    { retryable: false },
  );
}

type Way = AccessUrl | Required<Pick<AccessMethod, 'accessId'>>;

/** What is at hand comes before what has to be asked for, within one type. */
function waysOf(methods: readonly AccessMethod[]): readonly Way[] {
  const ranked = methods.flatMap(({ type, access, accessId }): { readonly rank: number; readonly way: Way }[] => [
    ...(access ? [{ rank: rankOf(schemeOf(access.url) ?? type), way: access }] : []),
    ...(accessId === undefined ? [] : [{ rank: rankOf(type), way: { accessId } }]),
  ]);
  return ranked
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MOST)
    .map(({ way }) => way);
}

function rankOf(type: string): number {
  return PREFERENCE.indexOf(type);
}

async function reached(
  { url, headers }: AccessUrl,
  object: DrsObject,
  others: OtherStorages,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<Place> {
  const storage = schemeOf(url) === 'drs' ? undefined : others.find(url);
  if (!storage) throw new TransferError(`no storage is set up for ${schemeOf(url) ?? 'this'} URLs`, { retryable: false });
  const refused = storage.refusal(url, 'read', owner);
  if (refused !== undefined) throw new TransferError(refused, { retryable: false });
  const carried = headersOf(headers);
  const isOwn = Object.keys(carried).length > 0;
  if (isOwn && !storage.carrying)
    throw new TransferError(`${shownUrl(url)} needs headers, which its storage cannot send`, { retryable: false });
  const client = (isOwn ? storage.carrying?.(carried) : undefined) ?? storage;
  try {
    const stat = await client.stat(url, signal);
    if (stat.kind !== 'file')
      throw new TransferError(`${shownUrl(url)} is a directory, where an object's bytes should be`, { retryable: false });
    const { sizeBytes } = object;
    if (sizeBytes !== undefined && stat.sizeBytes !== undefined && stat.sizeBytes !== sizeBytes) {
      throw new TransferError(`${shownUrl(url)} has ${stat.sizeBytes} bytes, but the object has ${sizeBytes}`, { retryable: false });
    }
    return { client, url, stat, isOwn };
  } catch (error) {
    if (isOwn) await client.close?.();
    throw error;
  }
}

/** `Name: value`, as servers of DRS give them; what is none of these is left out. Those that frame a request are the storage's. */
function headersOf(lines: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const line of lines.slice(0, MOST)) {
    const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)$/.exec(line) ?? [];
    if (name !== '' && !FRAMING.has(name.toLowerCase())) headers[name] = value;
  }
  return headers;
}

const FRAMING: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'if-range',
  'proxy-authorization',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
