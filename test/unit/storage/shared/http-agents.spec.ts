import { createServer, request, type Server } from 'node:http';
import { agentsFor } from '../../../../src/storage/shared/http-agents';
import { ANYWHERE } from '../../../support/connections';

describe('agents that allow no private addresses', () => {
  let server: Server;
  let port: number;
  let connections = 0;
  let requests = 0;

  beforeEach(async () => {
    connections = 0;
    requests = 0;
    server = createServer((_, response) => {
      requests += 1;
      response.end('secret');
    });
    server.on('connection', () => (connections += 1));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    port = typeof address === 'object' && address ? address.port : 0;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const codeOf = (host: string): Promise<unknown> =>
    new Promise((resolve) => {
      const { http } = agentsFor({ connectTimeoutMs: 10_000, reach: { ...ANYWHERE, networks: [] } });
      request({ host, port, agent: http }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', (error: NodeJS.ErrnoException) => {
          resolve(error.code);
        })
        .end();
    });

  it('do not connect to a name that has one', async () => {
    expect(await codeOf('localhost')).toBe('EFORBIDDENADDRESS');
    expect(connections).toBe(0);
  });

  it('send nothing over a connection that reached one all the same', async () => {
    expect(await codeOf('127.0.0.1')).toBe('EFORBIDDENADDRESS');
    expect(requests).toBe(0);
  });
});
