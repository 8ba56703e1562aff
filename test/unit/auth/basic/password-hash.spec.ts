import { hash as bcrypt } from 'bcrypt';
import { faultOfHash } from '../../../../src/auth/basic/hash-format';
import { hashPassword, isPasswordOf } from '../../../../src/auth/basic/password-hash';

describe('a hash of a password', () => {
  it('as hash-password makes it lets in with this password alone, and never looks the same twice', async () => {
    const [one, two] = await Promise.all([hashPassword('pä:ss 🔑'), hashPassword('pä:ss 🔑')]);
    expect(faultOfHash(one)).toBeUndefined();
    expect(one).not.toBe(two);
    await expect(isPasswordOf(one, 'pä:ss 🔑')).resolves.toBe(true);
    for (const wrong of ['', 'pä:ss', 'pa:ss 🔑', 'pä:ss 🔑 ']) await expect(isPasswordOf(one, wrong)).resolves.toBe(false);
  });

  // Made by libxcrypt, which has bcrypt under the name that htpasswd gives it.
  it.each([
    ['correct horse', '$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2'],
    ['pä:ss', '$2y$10$abcdefghijklmnopqrstuu4QzTE8EbVAoW3RYNmUYdkOPQzaSZedC'],
  ])('as htpasswd -B writes it for %j lets in with this password alone', async (password, hash) => {
    expect(faultOfHash(hash)).toBeUndefined();
    await expect(isPasswordOf(hash, password)).resolves.toBe(true);
    await expect(isPasswordOf(hash, `${password}x`)).resolves.toBe(false);
  });

  it('is bcrypt under any of its names', async () => {
    const hash = await bcrypt('x', 4);
    for (const name of ['$2a$', '$2b$', '$2y$']) await expect(isPasswordOf(hash.replace('$2b$', name), 'x')).resolves.toBe(true);
  });

  it.each([
    ['', 'neither bcrypt'],
    ['secret', 'neither bcrypt'],
    ['$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/', 'neither bcrypt'],
    ['{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=', 'neither bcrypt'],
    [`$2y$31$${'a'.repeat(53)}`, 'a cost above 14'],
    [`$2y$05$${'a'.repeat(52)}`, 'neither bcrypt'],
    [`$scrypt$ln=30,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`, 'more than 128 MiB'],
    [`$scrypt$ln=15,r=8,p=99$${'A'.repeat(22)}$${'A'.repeat(43)}`, '16 rounds'],
    [`$scrypt$ln=0,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`, 'more than'],
    [`$scrypt$ln=15,r=8,p=3$${'A'.repeat(22)}$AA`, 'neither bcrypt'],
  ])('%j is refused', (hash, words) => {
    expect(faultOfHash(hash)).toContain(words);
  });
});
