import { Agent as PlainAgent, type ClientRequestArgs } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { isPrivateAddress, PrivateAddress, publicLookup } from './private-addresses';

export interface ConnectionSettings {
  /** Limit for making a connection, TLS included, ms. */
  readonly connectTimeoutMs: number;
  /** Whether private, loopback and link-local addresses may be connected to. */
  readonly allowPrivateAddresses: boolean;
}

export class ConnectTimeout extends Error {
  readonly code = 'ETIMEDOUT';
}

/** Connections are kept and used again, so that ten thousand small files do not make ten thousand of them. */
export function agentsFor(settings: ConnectionSettings): { readonly http: PlainAgent; readonly https: TlsAgent } {
  const options = { keepAlive: true, maxFreeSockets: 16, ...(settings.allowPrivateAddresses ? {} : { lookup: publicLookup }) };
  return { http: new WatchedPlainAgent(options, settings), https: new WatchedTlsAgent(options, settings) };
}

type Connected = (error: Error | null, stream: Duplex) => void;

class WatchedPlainAgent extends PlainAgent {
  constructor(
    options: ConstructorParameters<typeof PlainAgent>[0],
    private readonly settings: ConnectionSettings,
  ) {
    super(options);
  }
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return watch(super.createConnection(options, connected), 'connect', this.settings);
  }
}

class WatchedTlsAgent extends TlsAgent {
  constructor(
    options: ConstructorParameters<typeof TlsAgent>[0],
    private readonly settings: ConnectionSettings,
  ) {
    super(options);
  }
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return watch(super.createConnection(options, connected), 'secureConnect', this.settings);
  }
}

type Stream = ReturnType<PlainAgent['createConnection']>;

/** Ends a connection that is not made in time, or that reaches where it must not; nothing has been sent on it by then. */
function watch(stream: Stream, ready: 'connect' | 'secureConnect', settings: ConnectionSettings): Stream {
  if (!stream) return stream;
  const timer = setTimeout(() => stream.destroy(new ConnectTimeout('no connection in time')), settings.connectTimeoutMs);
  const rest = (): void => {
    clearTimeout(timer);
  };
  stream.once('connect', () => {
    const reached = 'remoteAddress' in stream && typeof stream.remoteAddress === 'string' ? stream.remoteAddress : '';
    if (!settings.allowPrivateAddresses && isPrivateAddress(reached)) {
      stream.destroy(new PrivateAddress('connected to a private address'));
    }
  });
  stream.once(ready, rest);
  stream.once('close', rest);
  return stream;
}
