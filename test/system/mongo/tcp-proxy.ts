import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A plain TCP proxy before a server on loopback, which delays what goes through it, cuts it off in the middle, resets it, or lets nothing through. */
export class TcpProxy {
  /** Each way, ms. */
  delayMs = 0;
  private isSilent = false;
  private readonly held: (() => void)[] = [];
  /** How often it cut or reset a connection that was there. */
  ended = 0;
  private readonly open = new Set<Socket>();
  private readonly server: Server;

  constructor(private readonly target: number) {
    this.server = createServer((near) => {
      const far = connect(this.target, '127.0.0.1');
      this.join(near, far);
      this.join(far, near);
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** A RST on every connection. */
  reset(): void {
    this.end((socket) => socket.resetAndDestroy());
  }
  /** An end of every connection, whatever is under way. */
  cut(): void {
    this.end((socket) => socket.destroy());
  }
  /** From now on nothing comes through, and nobody hears why, as on a network that has fallen apart; what was sent meanwhile comes late. */
  silence(): void {
    this.isSilent = true;
  }
  speak(): void {
    this.isSilent = false;
    for (const go of this.held.splice(0)) go();
  }
  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private end(how: (socket: Socket) => void): void {
    this.ended += this.open.size;
    for (const socket of this.open) how(socket);
  }

  private join(from: Socket, to: Socket): void {
    this.open.add(from);
    // What came first goes first, also when the delay becomes shorter.
    let earlier: Promise<void> = Promise.resolve();
    from.on('data', (chunk) => {
      const after = new Promise<void>((resolve) => setTimeout(resolve, this.delayMs));
      const whenHeard = (): Promise<void> | undefined =>
        this.isSilent ? new Promise<void>((resolve) => this.held.push(resolve)) : undefined;
      earlier = earlier
        .then(() => after)
        .then(whenHeard)
        .then(() => void (to.destroyed || to.write(chunk)));
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.open.delete(from);
      to.destroy();
    });
  }
}
