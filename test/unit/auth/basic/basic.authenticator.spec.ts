import { BasicAuthenticator } from '../../../../src/auth/basic/basic.authenticator';
import { FailedLogins } from '../../../../src/auth/shared/failed-logins';
import { PasswordChecks } from '../../../../src/auth/basic/password-checks';
import { Unauthenticated } from '../../../../src/ports/errors';
import type { Principal } from '../../../../src/ports/authenticator';

/** Hashes are `slow:` or `fast:` and the password. */
const hashed: string[] = [];
const checks = (): PasswordChecks =>
  new PasswordChecks((hash, password) => {
    hashed.push(hash);
    return Promise.resolve(hash.slice(5) === password);
  }, new FailedLogins());

const file = {
  of: new Map([
    ['bob', 'fast:b'],
    ['cy', 'fast:c'],
  ]),
  hashes: () => Promise.resolve(file.of),
  isFresh: true,
};
const who = (authenticator: BasicAuthenticator, text: string): Promise<Principal | undefined> =>
  authenticator.authenticate({ headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` }, address: '10.0.0.1' });

describe('Basic', () => {
  const entries = [
    { name: 'ann', password_hash: 'slow:a', roles: ['admin'] as const, groups: ['lab'] },
    { name: 'bob', groups: ['lab', 'other'] },
    { name: 'cy', password_hash: 'slow:settings' },
    { name: 'gone' },
  ];
  const basic = new BasicAuthenticator(entries, file, checks());

  it('knows who stands in the settings and who in the file, with roles and groups of the settings', async () => {
    await expect(who(basic, 'ann:a')).resolves.toEqual({
      kind: 'user',
      owner: 'basic|ann',
      name: 'ann',
      groups: ['basic|lab'],
      roles: ['admin'],
    });
    await expect(who(basic, 'bob:b')).resolves.toMatchObject({ owner: 'basic|bob', groups: ['basic|lab', 'basic|other'], roles: ['user'] });
    await expect(who(basic, 'cy:settings')).resolves.toMatchObject({ owner: 'basic|cy', groups: [], roles: ['user'] });
  });

  it.each(['ann:b', 'cy:c', 'nobody:a', 'gone:', ':', 'ANN:a', 'ann :a'])('refuses %j in the same words', async (text) => {
    const refused = who(basic, text);
    await expect(refused).rejects.toBeInstanceOf(Unauthenticated);
    await expect(refused).rejects.toThrow('the user name or the password is wrong');
  });

  it('hashes nothing for a name that nobody can have', async () => {
    hashed.length = 0;
    for (const name of ['', 'x'.repeat(256), 'ü'.repeat(128)]) await expect(who(basic, `${name}:a`)).rejects.toThrow('is wrong');
    expect(hashed).toEqual([]);
  });

  it('leaves other schemes to others', async () => {
    await expect(basic.authenticate({ headers: { authorization: 'Bearer x' }, address: '' })).resolves.toBeUndefined();
  });

  it('hashes as much for a name that nobody has as for one that somebody has, the same each time', async () => {
    for (const name of ['nobody', 'none', 'noone', 'nil', 'x1', 'x2', 'x3']) {
      hashed.length = 0;
      for (const password of ['1', '2']) await expect(who(basic, `${name}:${password}`)).rejects.toThrow(Unauthenticated);
      expect(hashed).toHaveLength(2);
      expect(new Set(hashed).size).toBe(1);
      expect(['slow:a', 'fast:b', 'slow:settings']).toContain(hashed[0]);
    }
    hashed.length = 0;
    await expect(
      who(new BasicAuthenticator([], { hashes: () => Promise.resolve(new Map<string, string>()), isFresh: true }, checks()), 'a:b'),
    ).rejects.toThrow();
    expect(hashed).toEqual([expect.stringContaining('$scrypt$')]);
  });

  it('refuses a password from the moment it was changed, and a user from the moment it was removed', async () => {
    const changing = new BasicAuthenticator([], file, checks());
    await who(changing, 'bob:b');
    file.of = new Map([['bob', 'fast:new']]);
    await expect(who(changing, 'bob:b')).rejects.toThrow(Unauthenticated);
    await expect(who(changing, 'bob:new')).resolves.toMatchObject({ name: 'bob' });
    file.of = new Map();
    await expect(who(changing, 'bob:new')).rejects.toThrow(Unauthenticated);
  });

  it('holds for who was let in until the list of users is another one, or has to be looked at', async () => {
    file.of = new Map([['bob', 'fast:b']]);
    const changing = new BasicAuthenticator([], file, checks());
    const bob = (await who(changing, 'bob:b'))!;
    expect(changing.stillHolds(bob)).toBe(true);
    file.isFresh = false;
    expect(changing.stillHolds(bob)).toBe(false);
    file.isFresh = true;
    file.of = new Map([['bob', 'fast:new']]);
    await who(changing, 'bob:new');
    expect(changing.stillHolds(bob)).toBe(false);
    const fixed = new BasicAuthenticator([{ name: 'ann', password_hash: 'slow:a' }], undefined, checks());
    expect(fixed.stillHolds(bob)).toBe(false);
    expect(fixed.stillHolds((await who(fixed, 'ann:a'))!)).toBe(true);
  });
});
