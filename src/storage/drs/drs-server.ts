import type { StorageSecrets } from '../../ports/credentials';
import { TransferError } from '../../ports/errors';
import type { OtherStorages, StorageClient } from '../../ports/storage-client';
import { shownUrl } from '../../task/url';
import type { DrsAddress, DrsServer } from './drs-address';
import { accessOf, type AccessUrl, type DrsObject, NoDrsObject, objectOf } from './drs-object';

/** Of one answer; that of a bundle of 100,000 objects has some 15 MB. */
const LONGEST_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Asks servers of DRS, through the storage that reads `https:`: its proxy, authorities, networks and time-outs hold here as well. Credentials go
 * to hosts that the settings name, and to no other: a `drs:` URL may name anybody's.
 */
export class DrsServers {
  /** By host, each with its credentials. */
  private readonly clients = new Map<string, StorageClient>();

  constructor(
    private readonly servers: readonly DrsServer[],
    private readonly others: OtherStorages,
    private readonly secrets: StorageSecrets | undefined,
  ) {}

  /** `whole`: with all that its bundles hold, where the server gives it. */
  async object(at: DrsAddress, whole: boolean, signal: AbortSignal): Promise<DrsObject> {
    return this.ask(at, `${at.objectUrl}${whole ? '?expand=true' : ''}`, objectOf, signal);
  }

  async access(at: DrsAddress, accessId: string, signal: AbortSignal): Promise<AccessUrl> {
    return this.ask(at, `${at.objectUrl}/access/${encodeURIComponent(accessId)}`, accessOf, signal);
  }

  async close(): Promise<void> {
    const clients = [...this.clients.values()];
    this.clients.clear();
    await Promise.allSettled(clients.map(async (client) => client.close?.()));
  }

  private async ask<T>(at: DrsAddress, url: string, read: (answer: unknown) => T, signal: AbortSignal): Promise<T> {
    const client = await this.clientFor(at);
    const text = await textOf(client, url, signal);
    try {
      return read(JSON.parse(text));
    } catch (error) {
      if (!(error instanceof NoDrsObject || error instanceof SyntaxError)) throw error;
      const words = error instanceof NoDrsObject ? error.message : 'it is no JSON';
      throw new TransferError(`${shownUrl(url)} was answered with what DRS does not know: ${words}`, { retryable: false, cause: error });
    }
  }

  private async clientFor({ objectUrl, host }: DrsAddress): Promise<StorageClient> {
    const web = this.others.find(objectUrl);
    if (!web) throw new TransferError(`${shownUrl(objectUrl)}: no storage here reads such URLs, which DRS needs`, { retryable: false });
    const known = this.clients.get(host);
    if (known) return known;
    const authorization = await this.authorizationFor(host);
    if (authorization === undefined) return web;
    if (!web.carrying) throw new TransferError(`${shownUrl(objectUrl)}: what reads it sends no credentials`, { retryable: false });
    const client = this.clients.get(host) ?? web.carrying({ Authorization: authorization });
    this.clients.set(host, client);
    return client;
  }

  private async authorizationFor(host: string): Promise<string | undefined> {
    const server = this.servers.find((one) => one.host.toLowerCase() === host);
    if (!server) return undefined;
    const owners = await this.secrets?.forUrl(`drs://${host}/`);
    if (owners?.type === 'bearer') return `Bearer ${owners.token}`;
    if (owners) return basic(owners.username, owners.password);
    if (server.token !== undefined) return `Bearer ${server.token}`;
    return server.username === undefined ? undefined : basic(server.username, server.password ?? '');
  }
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function textOf(client: StorageClient, url: string, signal: AbortSignal): Promise<string> {
  const stream = await client.read(url, {}, signal);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > LONGEST_ANSWER_BYTES) {
        throw new TransferError(`${shownUrl(url)} was answered with more than ${LONGEST_ANSWER_BYTES} bytes`, { retryable: false });
      }
      chunks.push(chunk);
    }
  } finally {
    stream.destroy();
  }
  return Buffer.concat(chunks).toString();
}
