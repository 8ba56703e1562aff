import type { AuthenticatorAdapter } from '../../ports/adapter';

/** Nobody is asked who they are, when nothing else is set up to ask them. */
export const noAuthentication: AuthenticatorAdapter = {
  type: 'none',
  doc: 'nobody is asked who they are',
  settings: {},
  async create(_values, others) {
    if (others.length > 0) return undefined;
    const { AnonymousAuthenticator } = await import('./anonymous.authenticator.js');
    return new AnonymousAuthenticator();
  },
};
