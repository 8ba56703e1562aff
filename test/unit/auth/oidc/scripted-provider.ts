import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  readonly publicJwk: JWK;
}

export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** Discovery and keys, with the faults that a real provider cannot be made to have. */
export class ScriptedProvider {
  keys: readonly SigningKey[] = [];
  /** Instead of the answer. */
  fault: ((answer: ServerResponse) => void) | undefined;
  /** What is answered of any opaque token. */
  opaque: Record<string, unknown> = { active: false };
  readonly asked: string[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<ScriptedProvider> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const provider = new ScriptedProvider(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', ({ url = '' }, answer: ServerResponse) => provider.answer(url, answer));
    return provider;
  }

  private answer(path: string, answer: ServerResponse): void {
    this.asked.push(path);
    if (this.fault) return this.fault(answer);
    answer.setHeader('content-type', 'application/json');
    if (path === '/.well-known/openid-configuration')
      answer.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys`, introspection_endpoint: `${this.url}/introspection` }));
    else if (path === '/introspection') answer.end(JSON.stringify(this.opaque));
    else answer.end(JSON.stringify({ keys: this.keys.map(({ publicJwk }) => publicJwk) }));
  }

  /** Good unless `claims` and `header` say otherwise. */
  token(key: SigningKey, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ iss: this.url, aud: 'tes', sub: 'ann', iat: now, exp: now + 600, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid, ...header })
      .sign(key.privateKey);
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
