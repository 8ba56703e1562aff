import type { Principal } from '../../src/ports/authenticator';

/** The one owner of everything, as with auth off. */
export const AnonymousPrincipal: Principal = { kind: 'anonymous', owner: 'anonymous', name: 'anonymous', groups: [], roles: ['user'] };
