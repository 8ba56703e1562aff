import { createHmac, randomBytes } from 'node:crypto';
import { Authenticator, type Credentials, type Principal } from '../../ports/authenticator';
import { Unauthenticated } from '../../ports/errors';
import { basicCredentials } from './credentials';
import type { HtpasswdFile } from './htpasswd-file';
import type { PasswordChecks } from './password-checks';
import { faultOfName, type User, type UserEntry, type Users, usersOf } from './users';

/** Costs what any password costs that `hashPassword` made; nobody knows the password. */
const NOBODY = '$scrypt$ln=15,r=8,p=3$c29tZXRoaW5nIHNhbHR5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

const WRONG = 'the user name or the password is wrong';
const NO_HASHES: ReadonlyMap<string, string> = new Map();

/** Names and passwords of its own list (RFC 7617). */
export class BasicAuthenticator extends Authenticator {
  readonly scheme = 'basic';
  override readonly challenge = 'Basic realm="tes-gateway", charset="UTF-8"';
  override readonly httpScheme = 'basic';
  private readonly decoyKey = randomBytes(32);
  private known: { readonly of: ReadonlyMap<string, string>; readonly users: Users; readonly decoys: readonly User[] } | undefined;

  constructor(
    private readonly entries: readonly UserEntry[],
    /** `undefined` = all of them are in `entries`. */
    private readonly file: Pick<HtpasswdFile, 'hashes' | 'isFresh'> | undefined,
    private readonly checks: PasswordChecks,
  ) {
    super();
  }

  async authenticate({ headers, address }: Credentials): Promise<Principal | undefined> {
    const given = basicCredentials(headers['authorization']);
    if (!given) return undefined;
    // Nobody can be called that; it would be counted, and long names take memory.
    if (faultOfName(given.name) !== undefined) throw new Unauthenticated(WRONG);
    const { users, decoys } = await this.everybody();
    const user = users.get(given.name);
    const { hash } = user ?? this.decoy(given.name, decoys);
    const isRight = await this.checks.isRight({ ...given, address, hash, isDecoy: user === undefined });
    if (!user || !isRight) throw new Unauthenticated(WRONG, { owner: user?.principal.owner });
    return user.principal;
  }

  /** A password that was right is so until the list of users is another one. */
  override stillHolds(principal: Principal): boolean {
    return this.file?.isFresh !== false && this.known?.users.get(principal.name)?.principal === principal;
  }

  private async everybody(): Promise<NonNullable<typeof this.known>> {
    const hashes = (await this.file?.hashes()) ?? NO_HASHES;
    if (this.known?.of === hashes) return this.known;
    const users = usersOf(this.entries, hashes);
    this.known = { of: hashes, users, decoys: [...users.values()] };
    return this.known;
  }

  /** Always the same for one name: users whose hashes cost more or less than others' do not stand out among names that nobody has. */
  private decoy(name: string, among: readonly User[]): Pick<User, 'hash'> {
    const chosen = createHmac('sha256', this.decoyKey).update(name).digest().readUInt32BE();
    return among[chosen % Math.max(1, among.length)] ?? { hash: NOBODY };
  }
}
