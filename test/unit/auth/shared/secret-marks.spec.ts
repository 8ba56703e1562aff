import { createHmac, randomBytes } from 'node:crypto';
import { SecretMarks } from '../../../../src/auth/shared/secret-marks';

describe('marks of secrets', () => {
  it.each([0, 1, 55, 56, 63, 64, 65, 5000])('are HMAC-SHA256, of %i characters', (length) => {
    const key = randomBytes(32);
    const secret = 'ü'.repeat(length);
    expect(new SecretMarks(key).of(secret)).toBe(createHmac('sha256', key).update(secret).digest('base64'));
  });

  it('of another process are other ones', () => {
    expect(new SecretMarks().of('secret')).not.toBe(new SecretMarks().of('secret'));
  });
});
