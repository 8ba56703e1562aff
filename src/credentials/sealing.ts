import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Secret } from '../ports/credentials';
import { CredentialError } from '../ports/errors';
import type { CredentialName, SealedCredential } from '../ports/store/sealed-credentials';
import type { Key } from './key-file';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM with a nonce of its own. Whose and what for it is belongs to it: under another owner or target it does not open. */
export function seal(secret: Secret, name: CredentialName, { id, bytes }: Key): Pick<SealedCredential, 'keyId' | 'sealed'> {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, bytes, nonce, { authTagLength: TAG_BYTES }).setAAD(boundTo(name));
  const encrypted = Buffer.concat([cipher.update(JSON.stringify(secret), 'utf8'), cipher.final()]);
  return { keyId: id, sealed: Buffer.concat([nonce, encrypted, cipher.getAuthTag()]).toString('base64') };
}

/** Throws CredentialError for what was changed, or was encrypted with another key of that name. */
export function unseal(credential: SealedCredential, { bytes }: Key): Secret {
  try {
    const sealed = Buffer.from(credential.sealed, 'base64');
    const decipher = createDecipheriv(CIPHER, bytes, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(credential)).setAuthTag(sealed.subarray(-TAG_BYTES));
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8');
    return JSON.parse(text) as Secret;
  } catch {
    throw new CredentialError(`the credential for ${credential.target} cannot be decrypted: save it again`, {
      isDamaged: true,
      internal: `the credential of ${credential.owner} for ${credential.target} is damaged, or key ${credential.keyId} is another one than it was`,
    });
  }
}

/** JSON: no two names have the same text. */
function boundTo({ owner, kind, target }: CredentialName): Buffer {
  return Buffer.from(JSON.stringify(['tes-gateway credential 1', owner, kind, target]));
}
