import { connect, type Socket } from 'node:net';
import { sharedApi } from '../http-app';
import { send } from '../raw-http';

const ID = '01234567890123456789012345';
const LIMIT = 20_000;
const TASK = JSON.stringify({ executors: [{ image: 'busybox', command: ['true'] }] }).padEnd(LIMIT);

/** A create whose body is sent but for its last byte. */
class Pending {
  private text = '';
  private readonly socket: Socket;

  constructor(port: number, chunked: boolean) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes) => (this.text += bytes.toString()));
    this.socket.on('error', () => undefined);
    const length = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${LIMIT}`;
    const body = TASK.slice(0, -1);
    this.socket.write(`POST /v1/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${length}\r\n\r\n`);
    this.socket.write(chunked ? `${body.length.toString(16)}\r\n${body}\r\n` : body);
  }

  /** The status, once the server has answered. */
  async status(): Promise<number> {
    while (!this.socket.closed && !this.text.includes('\r\n\r\n')) await new Promise((resolve) => setTimeout(resolve, 5));
    return Number(this.text.split(' ')[1]);
  }

  finish(chunked: boolean): void {
    this.socket.write(chunked ? '1\r\n \r\n0\r\n\r\n' : ' ');
  }
}

describe('bodies that are being held', () => {
  const api = sharedApi({ tasks: { create: () => Promise.resolve(ID) } }, { bodyLimitBytes: LIMIT });

  it.each([
    ['with a length', false],
    ['in chunks', true],
  ])('answers 503 to one too many %s, serves the others and small ones, and counts nothing for ever', async (_what, chunked) => {
    for (let round = 0; round < 3; round++) {
      const held = Array.from({ length: 9 }, () => new Pending(api.port(), chunked));
      expect(await Promise.race(held.map((one) => one.status()))).toBe(503);
      expect((await send(api.port(), 'POST', '/v1/tasks', {}, TASK.trimEnd())).status).toBe(200);
      for (const one of held) one.finish(chunked);
      const statuses = await Promise.all(held.map((one) => one.status()));
      expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
      // One too many is 503; a second one may be hit before the first has left.
      expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(7);
    }
  });
});
