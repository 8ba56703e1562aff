import { argumentOf } from './ftp-address';
import type { FtpConnection } from './ftp-connections';
import { replyOf } from './ftp-errors';
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

async function fileOf({ client }: FtpConnection, path: string): Promise<FtpFacts> {
  const size = (await client.send(`SIZE ${argumentOf(path)}`)).message.slice(4).trim();
  const time = await client.sendIgnoringError(`MDTM ${argumentOf(path)}`);
  return toldApart({ kind: 'file', size, modify: time.code === 213 ? time.message.slice(4).trim() : undefined });
}
