import type { SealedCredentials } from '../ports/store/sealed-credentials';
import type { KeyFile } from './key-file';
import { seal, unseal } from './sealing';

const BATCH = 100;

/**
 * Encrypts with the first key of the file what is encrypted with another. Gateways may go on: what they save meanwhile stays. How many.
 * Throws CredentialError where one cannot be decrypted; those before it are done.
 */
export async function sealAnew(credentials: SealedCredentials, keys: KeyFile): Promise<number> {
  const [first] = await keys.read();
  let sealed = 0;
  for (const keyId of await credentials.keyIds()) {
    if (keyId === first.id) continue;
    const former = await keys.key(keyId);
    for (let batch; (batch = await credentials.under(keyId, BATCH)).length > 0;) {
      for (const credential of batch) {
        const next = { ...credential, ...seal(unseal(credential, former), credential, first) };
        if (await credentials.reseal(next, credential)) sealed += 1;
      }
    }
  }
  return sealed;
}
