import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { boundConnections, type ConnectionLimits } from '../../../../src/api/http/connection-limits';

const LIMITS: ConnectionLimits = { inAll: 100, ofAddress: 100, isProxy: () => false };

describe('the limits of connections', () => {
  let server: Server;
  let lines: string[];
  let now: number;
  const sockets: Socket[] = [];
  beforeEach(() => {
    lines = [];
    now = 0;
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const start = async (
    limits: Partial<ConnectionLimits>,
    answer: RequestListener = (_request, reply) => reply.end('well'),
  ): Promise<void> => {
    server = createServer(answer);
    // To the server every client is on the address that it says it is.
    server.on('connection', (socket) => Object.defineProperty(socket, 'remoteAddress', { value: addressOf(socket) }));
    boundConnections(
      server,
      { ...LIMITS, ...limits },
      (line) => void lines.push(line),
      () => now,
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  };
  /** 127.1.2.3 stands for 192.1.2.3. */
  const addressOf = ({ remoteAddress = '' }: Socket): string => remoteAddress.replace(/^127\.(?!0)/, '192.');
  const open = (from: string): Socket => {
    const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, localAddress: from });
    socket.on('error', () => undefined);
    sockets.push(socket);
    return socket;
  };
  /** `undefined`: it was ended. */
  const ask = (socket: Socket): Promise<string | undefined> =>
    new Promise((resolve) => {
      socket.once('data', (bytes) => resolve(String(bytes).split('\r\n', 1)[0]));
      socket.once('close', () => resolve(undefined));
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    });

  it('end at once what comes from an address that has as many, and leave others alone', async () => {
    await start({ ofAddress: 2 });
    const [first, second] = [open('127.1.1.1'), open('127.1.1.1')];
    expect([await ask(first), await ask(second)]).toEqual(['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK']);
    for (let at = 0; at < 5; at += 1) expect(await ask(open('127.1.1.1'))).toBeUndefined();
    expect(await ask(open('127.1.1.2'))).toBe('HTTP/1.1 200 OK');
    expect(await ask(second)).toBe('HTTP/1.1 200 OK');
    expect(lines).toEqual([
      '1 connections were ended at once: 2 of 192.1.1.1 are open already (setting server.max_connections_per_address)',
    ]);
    now = 60_000;
    expect(await ask(open('127.1.1.1'))).toBeUndefined();
    expect(lines[1]).toMatch(/^5 connections/);

    first.destroy();
    let answer: string | undefined;
    // The server hears of it a moment later.
    for (let at = 0; at < 1000 && answer === undefined; at += 1) answer = await ask(open('127.1.1.1'));
    expect(answer).toBe('HTTP/1.1 200 OK');
  });

  it('count neither this machine nor a proxy by address', async () => {
    await start({ ofAddress: 1, isProxy: (address) => address === '192.1.1.1' });
    for (let at = 0; at < 3; at += 1) expect([await ask(open('127.0.0.1')), await ask(open('127.1.1.1'))]).not.toContain(undefined);
  });

  it('hold for all clients together', async () => {
    await start({ inAll: 3, ofAddress: 0 });
    for (let at = 0; at < 3; at += 1) expect(await ask(open(`127.1.1.${at + 1}`))).toBe('HTTP/1.1 200 OK');
    expect(await ask(open('127.0.0.1'))).toBeUndefined();
    expect(lines).toEqual([expect.stringContaining('3 are open already (setting server.max_connections)')]);
  });

  it('let go of a client that does not read what it is sent', async () => {
    await start({ stalledMs: 20 }, (_request, reply) => reply.end(Buffer.alloc(64 * 2 ** 20)));
    const ended = new Promise<boolean>((resolve) =>
      server.once('request', (_request, reply) => reply.once('close', () => resolve(reply.writableFinished))),
    );
    const socket = open('127.0.0.1').pause();
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await ended).toBe(false);
  });

  it('do not cut an answer that is long in coming', async () => {
    await start({ stalledMs: 20 }, (_request, reply) => void server.once('timeout', () => reply.end('late')));
    expect(await ask(open('127.0.0.1'))).toBe('HTTP/1.1 200 OK');
  });
});
