/** Personal API tokens: a few for each owner, so that whose they are is text. */
export const ACCESS_TOKENS = `
CREATE TABLE access_token (id TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at INTEGER NOT NULL, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX access_token_owner ON access_token (owner, expires_at);
`;
