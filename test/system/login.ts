import { hashSync } from 'bcrypt';
import type { RunningServer } from './server';

export const USER = 'ann';
/** Only ASCII: py-tes sends the rest as Latin-1. */
export const PASSWORD = 'pass:w/ord # %';

/** Settings of a server with one user, who has a password and makes tokens. */
export const LOGIN = {
  auth: { schemes: ['basic', 'token'], basic: { users: [{ name: USER, password_hash: hashSync(PASSWORD, 4) }] } },
};

/** What a client sends for a name and a password. */
export const basicOf = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** A personal API token of that user. */
export async function tokenOf(server: RunningServer): Promise<string> {
  const answer = await fetch(`${server.url}/ext/v1/me/tokens`, {
    method: 'POST',
    headers: { authorization: basicOf(USER, PASSWORD), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'made by a test' }),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(text);
  return (JSON.parse(text) as { token: string }).token;
}
