import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpStorage, type HttpStorageSettings } from '../../../../src/storage/http/http.storage';
import { type FileServer, startFileServer } from '../../../contract/storage/http-file-server';
import { ANYWHERE } from '../../../support/connections';

export const SETTINGS: HttpStorageSettings = {
  enabled: true,
  maxRedirects: 3,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 10_000,
  reach: ANYWHERE,
};

/** A real server for a directory that holds the file `ten`, and a storage that reaches it. */
export interface Served {
  readonly directory: string;
  readonly server: FileServer;
  readonly storage: HttpStorage;
}

export async function serveTen(): Promise<Served> {
  const directory = await mkdtemp(join(tmpdir(), 'http-'));
  await writeFile(join(directory, 'ten'), '0123456789');
  return { directory, server: await startFileServer(directory), storage: new HttpStorage(SETTINGS) };
}

/** `server` may be another one than at the beginning. */
export async function endServed({ directory, server, storage }: Served): Promise<void> {
  storage.close();
  await server.close();
  await rm(directory, { recursive: true });
}
