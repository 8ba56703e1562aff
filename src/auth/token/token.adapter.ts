import type { AuthenticatorAdapter, SettingsPage, ValuesOf } from '../../ports/adapter';

const DAY_MS = 86_400_000;
/** All tokens of one owner are one document of a store. */
const MOST_PER_USER = 200;
/** Hundred years: clocks end somewhere. */
const MOST_DAYS = 36_500;

const settings = {
  max_days: { doc: 'Days that a personal API token may live', format: 'positive number', default: 365 },
  max_per_user: {
    doc: `Personal API tokens that one user may have at once, at most ${MOST_PER_USER}`,
    format: 'positive count',
    default: 50,
  },
} satisfies SettingsPage;

/** Tokens that users make for their programs; kept in the store. */
export const tokenAuthentication: AuthenticatorAdapter<ValuesOf<typeof settings>> = {
  type: 'token',
  doc: 'personal API tokens that users make',
  needsAnother: true,
  settings,
  faults: ({ max_days: days, max_per_user: most }) => [
    ...(days > MOST_DAYS ? [`max_days: must be at most ${MOST_DAYS}`] : []),
    ...(most > MOST_PER_USER ? [`max_per_user: must be at most ${MOST_PER_USER}`] : []),
  ],
  async create({ max_days: days, max_per_user: most }, { store, failedLoginsPerMinute }) {
    const { TokenAuthenticator } = await import('./token.authenticator.js');
    const { KnownTokens } = await import('./known-tokens.js');
    const { OwnTokens } = await import('./own-tokens.js');
    const { failedLoginLimits, FailedLogins } = await import('../shared/failed-logins.js');
    const known = new KnownTokens(store, new FailedLogins(failedLoginLimits(failedLoginsPerMinute)));
    return new TokenAuthenticator(new OwnTokens(store, known, { longestMs: days * DAY_MS, most }), known, () => store.now());
  },
};
