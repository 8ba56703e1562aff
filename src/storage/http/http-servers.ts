import { bareUrl, isBelowPrefix, urlPrefix } from '../../task/url-prefix';

/** What requests to URLs below a prefix carry: an entry of the setting `storage.http.servers`. */
export interface HttpServer {
  /** Scheme, host, port and whole segments of the path. */
  readonly prefix: string;
  readonly username?: string;
  readonly password?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The entry of a URL: that with the longest prefix. */
export class HttpServers {
  private readonly byLength: readonly { readonly prefix: string; readonly server: HttpServer }[];

  constructor(servers: readonly HttpServer[]) {
    this.byLength = servers
      .flatMap((server) => {
        const found = urlPrefix(server.prefix, SCHEMES);
        return 'prefix' in found ? [{ prefix: found.prefix, server }] : [];
      })
      .sort((one, other) => other.prefix.length - one.prefix.length);
  }

  of(url: string): HttpServer | undefined {
    if (this.byLength.length === 0) return undefined;
    const bare = bareUrl(url);
    return bare === undefined ? undefined : this.byLength.find(({ prefix }) => isBelowPrefix(bare, prefix))?.server;
  }
}

export const SCHEMES: readonly string[] = ['http', 'https'];
