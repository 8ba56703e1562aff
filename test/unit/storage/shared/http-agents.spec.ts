import { createServer, request, type Server } from 'node:http';
import { agentsFor } from '../../../../src/storage/shared/http-agents';
import { isPrivateAddress } from '../../../../src/storage/shared/private-addresses';

describe('isPrivateAddress', () => {
  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '::10.0.0.1',
    '64:ff9b::a00:1',
    '::ffff:0:a00:1',
    '2001:0:a00:1::1',
    '2002:a00:1::',
    'fd00::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
  ])('knows %s', (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each([
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '193.0.0.1',
    '2001:4860:4860::8888',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    'example.org',
    '',
  ])('lets %s pass', (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
});

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
      const { http } = agentsFor({ connectTimeoutMs: 10_000, allowPrivateAddresses: false });
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
    expect(await codeOf('localhost')).toBe('EPRIVATEADDRESS');
    expect(connections).toBe(0);
  });

  it('send nothing over a connection that reached one all the same', async () => {
    expect(await codeOf('127.0.0.1')).toBe('EPRIVATEADDRESS');
    expect(requests).toBe(0);
  });
});
