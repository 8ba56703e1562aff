import { Agent as PlainAgent, type ClientRequestArgs } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { Reach, type ReachRule } from './reach';

export interface ConnectionSettings {
  /** Limit for making a connection, TLS included, ms. */
  readonly connectTimeoutMs: number;
  /** Which addresses may be connected to. */
  readonly reach: ReachRule;
}

export class ConnectTimeout extends Error {
  readonly code = 'ETIMEDOUT';
}

/** Connections are kept and used again, so that ten thousand small files do not make ten thousand of them. */
export function agentsFor(settings: ConnectionSettings): { readonly http: PlainAgent; readonly https: TlsAgent } {
  const reach = new Reach(settings.reach);
  const options = { keepAlive: true, maxFreeSockets: 16, lookup: reach.lookup };
  const watched = { connectTimeoutMs: settings.connectTimeoutMs, reach };
  return { http: new WatchedPlainAgent(options, watched), https: new WatchedTlsAgent(options, watched) };
}

type Connected = (error: Error | null, stream: Duplex) => void;

class WatchedPlainAgent extends PlainAgent {
  constructor(
    options: ConstructorParameters<typeof PlainAgent>[0],
    private readonly watched: Watched,
  ) {
    super(options);
  }
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return watch(super.createConnection(options, connected), 'connect', this.watched);
  }
}

class WatchedTlsAgent extends TlsAgent {
  constructor(
    options: ConstructorParameters<typeof TlsAgent>[0],
    private readonly watched: Watched,
  ) {
    super(options);
  }
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return watch(super.createConnection(options, connected), 'secureConnect', this.watched);
  }
}

interface Watched {
  readonly connectTimeoutMs: number;
  readonly reach: Reach;
}

type Stream = ReturnType<PlainAgent['createConnection']>;

/** Ends a connection that is not made in time, or that reaches where it must not; nothing has been sent on it by then. */
function watch(stream: Stream, ready: 'connect' | 'secureConnect', { connectTimeoutMs, reach }: Watched): Stream {
  if (!stream) return stream;
  const timer = setTimeout(() => stream.destroy(new ConnectTimeout('no connection in time')), connectTimeoutMs);
  const rest = (): void => {
    clearTimeout(timer);
  };
  stream.once('connect', () => {
    const reached = 'remoteAddress' in stream && typeof stream.remoteAddress === 'string' ? stream.remoteAddress : '';
    try {
      reach.check(reached);
    } catch (forbidden) {
      stream.destroy(forbidden as Error);
    }
  });
  stream.once(ready, rest);
  stream.once('close', rest);
  return stream;
}
