import { Authenticator, type Principal } from '../../ports/authenticator';

/** What every request is when authentication is off. There is nobody else to protect from it, hence the role. */
export const ANONYMOUS = Object.freeze<Principal>({
  kind: 'anonymous',
  owner: 'anonymous',
  name: 'anonymous',
  groups: [],
  roles: ['admin'],
});

/**
 * Authentication is off: everybody is the same principal, whatever the headers hold. A bad `Authorization` is ignored on
 * purpose, because clients send one without being asked (py-tes 0.4.2: `Basic Tm9uZTpOb25l`).
 */
export class AnonymousAuthenticator extends Authenticator {
  readonly scheme = 'none';

  authenticate(): Promise<Principal> {
    return Promise.resolve(ANONYMOUS);
  }
}
