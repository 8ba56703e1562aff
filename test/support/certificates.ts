import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  /** Of the authority, which nobody knows. */
  readonly authority: string;
  /** The certificate and key of a server on loopback in one file; beside it lie `server.crt` and `server.key`. */
  readonly both: string;
}

/** Makes an authority of its own and a certificate for a server on loopback, or of these names, below the directory, by openssl. */
export function makeCertificates(directory: string, names = 'IP:127.0.0.1,DNS:localhost'): Certificates {
  const openssl = (words: string): unknown => execFileSync('openssl', words.split(' '), { cwd: directory, stdio: 'pipe' });
  const newKey = '-newkey rsa:2048 -nodes';
  openssl(`req -x509 ${newKey} -days 2 -keyout ca.key -out ca.pem -subj /CN=test.authority`);
  openssl(`req ${newKey} -keyout server.key -out server.csr -subj /CN=127.0.0.1`);
  writeFileSync(join(directory, 'names'), `subjectAltName=${names}\n`);
  openssl('x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt');
  const both = join(directory, 'server.pem');
  writeFileSync(both, ['server.crt', 'server.key'].map((name) => readFileSync(join(directory, name), 'utf8')).join(''));
  return { authority: join(directory, 'ca.pem'), both };
}
