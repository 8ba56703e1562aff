import { TransferError } from '../../ports/errors';
import { argumentOf, nameOf, parentOf } from './ftp-address';
import type { FtpConnection } from './ftp-connections';
import { isUnknownCommand, replyOf } from './ftp-errors';
import { entriesIn } from './ftp-lists';
import { factsOf, type FtpFacts, toldApart } from './ftp-facts';

/** What is there, or what it leads to. Throws the reply of the server where nothing is (550), or what it does not show this user. */
export async function lookAt(connection: FtpConnection, path: string): Promise<FtpFacts> {
  const { client, features } = connection;
  if (features.has('MLST')) {
    const facts = factsOf((await client.send(`MLST ${argumentOf(path)}`)).message);
    if (facts && facts.kind !== 'link') return facts;
  }
  return (await isDirectory(connection, path)) ? { kind: 'directory' } : fileOf(connection, path);
}

/** By going there, and back: other commands answer for files and directories alike, each server in its own way. */
async function isDirectory(connection: FtpConnection, path: string): Promise<boolean> {
  return (await placeOf(connection, path)) !== undefined;
}

/** Where a directory really is, as far as the server says so: without the links on the way there. `undefined` = it is none. */
export async function placeOf({ client }: FtpConnection, path: string): Promise<string | undefined> {
  const home = await client.pwd();
  try {
    await client.send(`CWD ${argumentOf(path)}`);
  } catch (error) {
    if (replyOf(error) === undefined) throw error;
    return undefined;
  }
  const place = await client.pwd();
  try {
    await client.send(`CWD ${home}`);
  } catch (error) {
    // Whatever is asked of it next would be asked of another place.
    client.close();
    throw error;
  }
  return place;
}

async function fileOf(connection: FtpConnection, path: string): Promise<FtpFacts> {
  const { client } = connection;
  let size: string;
  try {
    size = (await client.send(`SIZE ${argumentOf(path)}`)).message.slice(4).trim();
  } catch (error) {
    if (isUnknownCommand(error)) return listedFile(connection, path);
    throw error;
  }
  const time = await client.sendIgnoringError(`MDTM ${argumentOf(path)}`);
  return toldApart({ kind: 'file', size, modify: time.code === 213 ? time.message.slice(4).trim() : undefined });
}

/** Of a server that says the size of a file in lists alone. */
async function listedFile(connection: FtpConnection, path: string): Promise<FtpFacts> {
  const found = (await entriesIn(connection, parentOf(path))).find(({ name }) => name === nameOf(path));
  if (!found) throw new TransferError('the server lists no such file', { retryable: false, notFound: true });
  return toldApart({ kind: 'file', size: String(found.size), modify: found.rawModifiedAt });
}
