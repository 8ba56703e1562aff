import type { Secret } from '../../ports/credentials';
import type { HttpServer } from './http-servers';

/** Credentials are for the host they were given for. */
export function redirected(to: URL, from: URL): URL {
  if (to.origin === from.origin && to.username === '' && to.password === '') {
    to.username = from.username;
    to.password = from.password;
  }
  return to;
}

/** Headers, by their names in lower case: `authorization` and what else a server wants. */
export type Credentials = Readonly<Record<string, string>>;

export function headerOf(secret: Secret): string {
  switch (secret.type) {
    case 'basic':
      return basic(secret.username, secret.password);
    case 'bearer':
      return `Bearer ${secret.token}`;
    default: {
      const never: never = secret;
      return never;
    }
  }
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Of what are no URLs: that both are none. */
export function isSameOrigin(one: string, other: string): boolean {
  return URL.parse(one)?.origin === URL.parse(other)?.origin;
}

export function hasUserinfo({ username, password }: URL): boolean {
  return username !== '' || password !== '';
}

/** Userinfo becomes basic authentication (RFC 7617) and leaves the URL. */
export function authorizationOf(url: string): Credentials {
  const parsed = new URL(url);
  return hasUserinfo(parsed) ? { authorization: basic(unescaped(parsed.username), unescaped(parsed.password)) } : {};
}

/** What an entry of the settings has requests to its server carry. */
export function headersOf({ username, password = '', token, headers = {} }: HttpServer): Credentials {
  return {
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    ...(username !== undefined && { authorization: basic(username, password) }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
