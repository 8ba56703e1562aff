import { promises as fs, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import supertest from 'supertest';
import { makeCertificates } from '../support/certificates';
import { as, GuardedGateway } from './guarded-gateway';

describe('https', () => {
  let directory: string;
  let gateway: GuardedGateway;
  let api: ReturnType<typeof supertest.agent>;
  const pathOf = (name: string): string => join(directory, name);
  beforeAll(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), 'tls-'));
    makeCertificates(directory);
    const files = [`--server.tls.certificate_file=${pathOf('server.crt')}`, `--server.tls.key_file=${pathOf('server.key')}`];
    gateway = await GuardedGateway.start(['ann'], ...files);
    api = supertest.agent(`https://127.0.0.1:${gateway.port}`, { ca: readFileSync(pathOf('ca.pem')) });
  });
  afterAll(async () => {
    await gateway.stop();
    await fs.rm(directory, { recursive: true, force: true });
  });
  const subject = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: gateway.port, host: '127.0.0.1', ca: readFileSync(pathOf('ca.pem')) }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.once('error', reject);
    });

  it('serves the API, tells browsers to come by it again, and knows a page of its own origin', async () => {
    const task = { executors: [{ image: 'x', command: ['true'] }] };
    const origin = `https://127.0.0.1:${gateway.port}`;
    const answer = await api.post('/v1/tasks').set(as('ann')).set({ origin }).send(task).expect(200);
    expect(answer.headers['strict-transport-security']).toBe('max-age=31536000');
    await api.post('/v1/tasks').set(as('ann')).set({ origin: 'https://evil.example' }).send(task).expect(403);
    await api.get('/readyz').expect(200);
  });

  it('has the new certificate for new connections when the files have changed', async () => {
    const before = await subject();
    makeCertificates(directory);
    gateway.reopenFiles();
    let after = before;
    // Read beside the requests.
    while (after === before) after = await subject().catch(() => before);
    expect(after).not.toBe(before);
  });
});

describe('http', () => {
  it('has what browsers have to know: of the page of the documentation, and of every answer', async () => {
    const gateway = await GuardedGateway.start(['ann']);
    try {
      const api = supertest(`http://127.0.0.1:${gateway.port}`);
      for (const path of ['/v1/tasks', '/service-info', '/nope', '/docs', '//docs', '/docs/swagger-ui-bundle.js']) {
        const { headers } = await api.get(path);
        expect([path, headers['x-content-type-options'], headers['strict-transport-security']]).toEqual([path, 'nosniff', undefined]);
        const isPage = path.includes('docs');
        expect([path, headers['x-frame-options'], typeof headers['content-security-policy']]).toEqual(
          isPage ? [path, 'DENY', 'string'] : [path, undefined, 'undefined'],
        );
      }
      // Nothing in it that the policy forbids.
      const { text } = await api.get('/docs/');
      expect(text).not.toMatch(/<script(?![^>]*src="\.?\/?[\w./-]+")|\son\w+=|https?:\/\/(?!www\.w3\.org)/);
    } finally {
      await gateway.stop();
    }
  });
});
