import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopback, networkOf } from '../../ports/host-name';

export interface ConnectionLimits {
  /** Open at once, of all clients and of one address. What comes on top is ended at once. */
  readonly inAll: number;
  readonly ofAddress: number;
  /** Many clients come from there. */
  readonly isProxy: (address: string) => boolean;
  /** Who takes nothing of what it is sent for so long is let go, ms. */
  readonly stalledMs?: number;
}

const STALLED_MS = 120_000;
/** Between two lines in the log, ms. */
const QUIET_MS = 60_000;

/**
 * Bounds how many connections are open, so that nobody can take all there are, and how long one stays whose client reads nothing. Those of
 * this machine are counted only in all: a proxy may stand there. How long a request may take to arrive is bounded by Node.
 */
export function boundConnections(
  server: Server,
  { inAll, ofAddress, isProxy, stalledMs = STALLED_MS }: ConnectionLimits,
  warn: (line: string) => void,
  now: () => number = () => performance.now(),
): void {
  let said = -Infinity;
  let ended = 0;
  const refused = (why: string): void => {
    ended += 1;
    if (now() - said < QUIET_MS) return;
    warn(`${ended} connections were ended at once: ${why}`);
    said = now();
    ended = 0;
  };
  server.maxConnections = inAll;
  server.on('drop', () => refused(`${inAll} are open already (setting server.max_connections)`));

  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const { remoteAddress: remote = '' } = socket;
    const address = networkOf(remote);
    if (ofAddress === 0 || isLoopback(address) || isProxy(remote)) return;
    const count = (open.get(address) ?? 0) + 1;
    if (count > ofAddress) {
      refused(`${ofAddress} of ${address} are open already (setting server.max_connections_per_address)`);
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });

  // Nothing went to and fro for so long: where nothing waits to be sent it is us who have nothing to say yet.
  server.setTimeout(stalledMs, (socket) => {
    if (socket.writableLength > 0) socket.destroy();
  });
}
