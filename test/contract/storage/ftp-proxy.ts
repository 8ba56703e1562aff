import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** What is done with a reply: another text, nothing (`undefined`: it never comes), or the connection is cut. */
export type Said = string | undefined | typeof CUT;
export const CUT = Symbol('cut');

export interface FtpProxy {
  readonly port: number;
  /** Every command so far. */
  readonly commands: string[];
  /** Asked before each command is handed on; what it answers is said in the place of the server, which hears nothing of it. `HAND_ON` = hand it on. */
  command: (command: string) => Said | typeof HAND_ON;
  /** What becomes of each reply to a command. */
  reply: (command: string, reply: string) => Said | Promise<Said>;
  /** Says something to the client that has spoken last. */
  say(reply: string): void;
  close(): Promise<void>;
}
export const HAND_ON = Symbol('hand on');

/** Hands control connections on to a real server, and has it say what a test wants. Data connections go straight to the server, which is on this machine. */
export async function startFtpProxy(serverPort: () => number): Promise<FtpProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const there = connect(serverPort(), '127.0.0.1');
    for (const socket of [client, there]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    }
    client.on('close', () => there.destroy());
    there.on('close', () => client.end());
    let last = '';
    const say = (said: Said): void => {
      // Not by a reset: the library does not know an error of Node's for one where jest has a realm of its own.
      if (said === CUT) client.end();
      else if (said !== undefined) client.write(`${said}\r\n`);
    };
    lines(client).on('line', (line) => {
      proxy.say = (reply) => say(reply);
      proxy.commands.push(line);
      last = line;
      const said = proxy.command(line);
      if (said === HAND_ON) there.write(`${line}\r\n`);
      else say(said);
    });
    let order = Promise.resolve();
    lines(there).on('line', (line) => {
      const command = last;
      order = order.then(async () => say(await proxy.reply(command, line)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const proxy: FtpProxy = {
    port: typeof address === 'object' && address ? address.port : 0,
    commands: [],
    command: () => HAND_ON,
    say: () => undefined,
    reply: (_command, reply) => reply,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return proxy;
}

function lines(input: Socket): ReturnType<typeof createInterface> {
  // What goes wrong with a connection is heard there.
  return createInterface({ input }).on('error', () => undefined);
}
