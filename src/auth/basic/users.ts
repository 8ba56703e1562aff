import { issuedKey, type Principal, type Role } from '../../ports/authenticator';
import { faultOfHash } from './hash-format';

/** An entry of `auth.basic.users`. */
export interface UserEntry {
  readonly name: string;
  /** Absent = it stands in the htpasswd file. */
  readonly password_hash?: string;
  readonly roles?: readonly Role[];
  readonly groups?: readonly string[];
}

export interface User {
  readonly hash: string;
  readonly principal: Principal;
}

export type Users = ReadonlyMap<string, User>;

/** Issuer of everybody whom this gateway's own lists name. */
const ISSUER = 'basic';

/** Why nobody can be called that, to go on after "name"; `undefined` = it is in order. */
export function faultOfName(name: string): string | undefined {
  if (name === '' || Buffer.byteLength(name) > 255) return 'must have 1 to 255 bytes';
  // Clients could not send these (RFC 7617).
  return /[:\x00-\x1f\x7f]/.test(name) ? 'must hold no colon and no control character' : undefined;
}

/** `name:hash` a line, as htpasswd writes it. `faults` name the lines, never a hash. */
export function readHtpasswd(text: string): { readonly hashes: ReadonlyMap<string, string>; readonly faults: readonly string[] } {
  const hashes = new Map<string, string>();
  const faults: string[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    const [name = '', hash = ''] = line.split(':');
    const fault = faultOfName(name) ?? faultOfHash(hash);
    if (fault === undefined) hashes.set(name, hash);
    else faults.push(`line ${index + 1}: the ${faultOfName(name) === undefined ? `password of ${name}` : 'name'} ${fault}`);
  });
  return { hashes, faults };
}

/** Everybody who may log in. A hash of the settings counts more than one of the file. */
export function usersOf(entries: readonly UserEntry[], hashes: ReadonlyMap<string, string>): Users {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const all = new Map(hashes);
  for (const { name, password_hash: hash } of entries) if (hash !== undefined) all.set(name, hash);
  return new Map([...all].map(([name, hash]) => [name, { hash, principal: principalOf(byName.get(name) ?? { name }) }]));
}

function principalOf({ name, roles = ['user'], groups = [] }: UserEntry): Principal {
  return { kind: 'user', owner: issuedKey(ISSUER, name), name, groups: groups.map((group) => issuedKey(ISSUER, group)), roles };
}
