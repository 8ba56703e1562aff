import { Authenticator, type Principal } from '../../ports/authenticator';

/** What every request is when authentication is off. There is nobody else to protect from it, hence `admin`. */
export const ANONYMOUS: Principal = Object.freeze({ kind: 'anonymous', owner: 'anonymous', name: 'anonymous', groups: [], admin: true });

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
