/** Credentials of users, each encrypted: a few for each owner. `id` is kind and target. */
export const SEALED_CREDENTIALS = `
CREATE TABLE credential (owner TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, key_id TEXT NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (owner, id)) STRICT, WITHOUT ROWID;
CREATE INDEX credential_key ON credential (key_id);
`;
