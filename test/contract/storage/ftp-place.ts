import { randomUUID } from 'node:crypto';
import { chownSync, mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { FtpSettings } from '../../../src/storage/ftp/ftp-connections';
import { FtpStorage } from '../../../src/storage/ftp/ftp.storage';
import { type OwnFtp, passwordOf } from '../../system/pureftpd/pureftpd';
import { type FtpProxy, startFtpProxy } from './ftp-proxy';
import { ANYWHERE } from '../../support/connections';

/** Whose files they are on the server. */
const SERVERS_USER = 20_000;

export const FTP_SETTINGS: FtpSettings = {
  enabled: true,
  logins: [],
  reach: ANYWHERE,
  connectionsPerHost: 8,
  idleTimeoutMs: 10_000,
};

/** An empty directory of its own on a real server. */
export interface FtpPlace {
  /** Reaches the server through the proxy, which hands everything on unless a test has it do something else. */
  readonly client: FtpStorage;
  readonly proxy: FtpProxy;
  /** Without a trailing slash. */
  readonly base: string;
  /** Where its files are. */
  readonly directory: string;
  other(settings: Partial<FtpSettings>): FtpStorage;
  /** Everything that is really there, temporary files included. */
  names(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function openPlace(ftp: OwnFtp, changes: Partial<FtpSettings> = {}): Promise<FtpPlace> {
  const name = randomUUID();
  const directory = join(ftp.filesOf(), name);
  mkdirSync(directory, { recursive: true });
  chownSync(directory, SERVERS_USER, SERVERS_USER);
  await ftp.startAgain();
  const proxy = await startFtpProxy(() => ftp.port);
  const clients: FtpStorage[] = [];
  const other = (settings: Partial<FtpSettings>): FtpStorage => {
    const logins = [{ host: '127.0.0.1', username: 'tes', password: passwordOf('tes') }];
    const client = new FtpStorage({ ...FTP_SETTINGS, logins, ...settings });
    clients.push(client);
    return client;
  };
  return {
    client: other(changes),
    proxy,
    base: `ftp://127.0.0.1:${proxy.port}/${name}`,
    directory,
    other,
    names: async () =>
      (await readdir(directory, { recursive: true, withFileTypes: true }))
        .filter((entry) => !entry.isDirectory())
        .map((entry) => relative(directory, join(entry.parentPath, entry.name))),
    async close() {
      for (const client of clients) client.close();
      await proxy.close();
    },
  };
}
