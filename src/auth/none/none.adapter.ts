import type { AuthenticatorAdapter } from '../../ports/adapter';

/** Nobody is asked who they are. */
export const noAuthentication: AuthenticatorAdapter = {
  type: 'none',
  doc: 'nobody is asked who they are',
  isAnonymous: true,
  settings: {},
  async create() {
    const { AnonymousAuthenticator } = await import('./anonymous.authenticator.js');
    return new AnonymousAuthenticator();
  },
};
