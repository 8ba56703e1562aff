import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  /** Of the authority, which nobody knows. */
  readonly authority: string;
  /** Of a server on loopback: its certificate, its key, and both in one file. */
  readonly certificate: string;
  readonly key: string;
  readonly both: string;
}

/** Makes an authority of its own and a certificate for a server on loopback, below the directory, by openssl. */
export function makeCertificates(directory: string): Certificates {
  const openssl = (words: string): unknown => execFileSync('openssl', words.split(' '), { cwd: directory, stdio: 'pipe' });
  const newKey = '-newkey rsa:2048 -nodes';
  openssl(`req -x509 ${newKey} -days 2 -keyout ca.key -out ca.pem -subj /CN=test.authority`);
  openssl(`req ${newKey} -keyout server.key -out server.csr -subj /CN=127.0.0.1`);
  writeFileSync(join(directory, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl('x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt');
  const [authority, certificate, key, both] = ['ca.pem', 'server.crt', 'server.key', 'server.pem'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ];
  writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
  return { authority, certificate, key, both };
}
