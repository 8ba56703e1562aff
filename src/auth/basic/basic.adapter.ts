import type { AuthenticatorAdapter, SettingsPage, ValuesOf } from '../../ports/adapter';
import { ROLES } from '../../ports/authenticator';
import { faultOfHash } from './hash-format';
import { faultOfName, type UserEntry } from './users';

const settings = {
  users: {
    doc: 'Users, a list of `{name, password_hash, roles, groups}`. `password_hash` is what `tes-gateway hash-password` prints, or bcrypt; without it the password stands in `htpasswd_file`. `roles`: `user` (when left out), `viewer` (changes nothing), `admin`',
    format: {
      test: (value: unknown) => Array.isArray(value) && value.every(isEntry),
      words: 'a list of {name, password_hash, roles, groups}',
      mask: (value: unknown) =>
        (value as readonly UserEntry[]).map((user) => (user.password_hash === undefined ? user : { ...user, password_hash: '[masked]' })),
      schema: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            password_hash: { type: 'string' },
            roles: { type: 'array', items: { enum: ROLES } },
            groups: { type: 'array', items: { type: 'string' } },
          },
          required: ['name'],
          additionalProperties: false,
        },
      },
    },
    default: [] as readonly UserEntry[],
    sensitive: true,
  },
  htpasswd_file: {
    doc: 'Users, a file as `htpasswd -B` writes it; changes count within a second. Who is not in `users` has the role `user`',
    format: 'path',
    default: '',
  },
} satisfies SettingsPage;

type BasicValues = ValuesOf<typeof settings>;

/** Names and passwords, in the settings or an htpasswd file. */
export const basicAuthentication: AuthenticatorAdapter<BasicValues> = {
  type: 'basic',
  doc: 'name and password',
  settings,
  faults({ users, htpasswd_file: file }) {
    const names = users.map(({ name }) => name);
    const needed = file === '' ? 'is needed without htpasswd_file' : undefined;
    return [
      ...(users.length === 0 && file === '' ? ['users: there are none, and no htpasswd_file: nobody could log in'] : []),
      ...users.flatMap(({ name, password_hash: hash }, index) => [
        ...named(`users[${index}].name`, faultOfName(name) ?? (names.indexOf(name) < index ? 'is there twice' : undefined)),
        ...named(`users[${index}].password_hash`, hash === undefined ? needed : faultOfHash(hash)),
      ]),
    ];
  },
  async create({ users, htpasswd_file: path }, { log, failedLoginsPerMinute }) {
    const { BasicAuthenticator } = await import('./basic.authenticator.js');
    const { HtpasswdFile } = await import('./htpasswd-file.js');
    const { PasswordChecks } = await import('./password-checks.js');
    const { isPasswordOf } = await import('./password-hash.js');
    const { failedLoginLimits, FailedLogins } = await import('../shared/failed-logins.js');
    const file = path === '' ? undefined : new HtpasswdFile(path, log);
    // What cannot be read at all is found now, not by the first who logs in.
    await file?.hashes();
    const failed = new FailedLogins(failedLoginLimits(failedLoginsPerMinute));
    return new BasicAuthenticator(users, file, new PasswordChecks(isPasswordOf, failed));
  },
  async hashPassword(password) {
    const { hashPassword } = await import('./password-hash.js');
    return hashPassword(password);
  },
};

function named(key: string, fault: string | undefined): string[] {
  return fault === undefined ? [] : [`${key}: ${fault}`];
}

function isEntry(value: unknown): value is UserEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { name, password_hash: hash, roles = [], groups = [], ...others } = value as Record<string, unknown>;
  const isText = (one: unknown): one is string => typeof one === 'string' && one !== '';
  return (
    isText(name) &&
    (hash === undefined || isText(hash)) &&
    Array.isArray(roles) &&
    roles.every((role) => (ROLES as readonly unknown[]).includes(role)) &&
    Array.isArray(groups) &&
    groups.every(isText) &&
    Object.keys(others).length === 0
  );
}
