import { type ClientRequest, type IncomingMessage, request as requestPlain, type RequestOptions } from 'node:http';
import { request as requestTls } from 'node:https';
import type { StorageSecrets } from '../../ports/credentials';
import { TransferError } from '../../ports/errors';
import { shownUrl } from '../../task/url';
import { agentsFor, type ConnectionSettings } from '../shared/http-agents';
import { authorizationOf, type Credentials, hasUserinfo, headerOf, headersOf, isSameOrigin, redirected } from './http-credentials';
import { type HttpServer, HttpServers } from './http-servers';
import { networkError } from '../shared/http-errors';
import type { Upload } from './http-upload';
import { idleError, IdleWatch } from '../shared/idle-watch';
import { Reach } from '../shared/reach';

export interface HttpSettings extends ConnectionSettings {
  /** Whether `http:` and `https:` URLs may be used at all. */
  readonly enabled: boolean;
  /** Redirects followed in one request; 0 = none. */
  readonly maxRedirects: number;
  /** A transfer in which nothing moves for so long is given up, ms. */
  readonly idleTimeoutMs: number;
  /** What requests carry by prefix of their URLs. */
  readonly servers?: readonly HttpServer[];
}

export interface Answer {
  readonly status: number;
  /** Who answered, at the end of the redirects; may hold userinfo. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: IncomingMessage;
  /** Watches the body; the one who reads it arms it. */
  readonly idle: IdleWatch;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const UPLOAD_REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);
const EXPECTATION_FAILED = 417;
/** Of a body nobody wants: so much is read to keep the connection, more is cut off. */
const DISCARDED_BYTES = 64 * 1024;
const DISCARD_MS = 5000;

/** One request and its answer, whatever its status; redirects are followed, each target checked as the first was. */
export class HttpExchange {
  private readonly agents: ReturnType<typeof agentsFor>;
  private readonly reach: Reach;
  private readonly servers: HttpServers;
  /** Where one is made for an owner's credentials: connections that have carried these serve nobody else. */
  private ownAgents: ReturnType<typeof agentsFor> | undefined;

  /** `lent`: connections of the exchange whose owner's credentials these are. */
  constructor(
    private readonly settings: HttpSettings,
    private readonly owners?: { readonly secrets: StorageSecrets; readonly lent: HttpExchange },
    /** What requests to the server of the URL asked for carry, in the place of other credentials. */
    private readonly carried?: Readonly<Record<string, string>>,
  ) {
    this.agents = owners?.lent.agents ?? agentsFor(settings);
    this.reach = new Reach(settings.reach);
    this.servers = new HttpServers(settings.servers ?? []);
  }

  /** Why a URL is not asked at all. */
  refusal(url: string): string | undefined {
    if (!this.settings.enabled) return `${shownUrl(url)}: the setting storage.http.enabled is off`;
    const parsed = URL.parse(url);
    if (!parsed) return `${shownUrl(url)} is not a valid URL`;
    const { protocol, hostname } = parsed;
    if (protocol !== 'http:' && protocol !== 'https:') return `${shownUrl(url)} is not an http or https URL`;
    const refused = this.reach.refusalOf(hostname);
    return refused === undefined ? undefined : `${shownUrl(url)} ${refused}`;
  }

  /** `asked`: where that is another one, the URL that led to this one. */
  async fetch(
    method: 'GET' | 'HEAD',
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    asked = url,
  ): Promise<Answer> {
    const subject = `${shownUrl(url)} cannot be read`;
    const ask = (at: string, credentials: Credentials): Promise<Answer> =>
      this.once({ method, url: at, subject, headers: { ...headers, ...credentials } }, signal);
    return this.followed(url, subject, REDIRECTS, ask, isSameOrigin(url, asked));
  }

  /** An upload goes where a redirect sends it, except by 303: there is something else to be read. */
  async put(url: string, upload: Upload, signal: AbortSignal): Promise<Answer> {
    const subject = `${shownUrl(url)} cannot be written`;
    const send = (at: string, credentials: Credentials): Promise<Answer> =>
      this.once({ method: 'PUT', url: at, subject, headers: { ...upload.headers, ...credentials }, upload }, signal);
    return this.followed(url, subject, UPLOAD_REDIRECTS, async (at, credentials) => {
      const answer = await send(at, credentials);
      if (answer.status !== EXPECTATION_FAILED || !upload.withoutAsking()) return answer;
      discard(answer);
      return send(at, credentials);
    });
  }

  private async followed(
    url: string,
    subject: string,
    statuses: ReadonlySet<number>,
    ask: (at: string, credentials: Credentials) => Promise<Answer>,
    beginsAtHome = true,
  ): Promise<Answer> {
    let at = url;
    let isAtHome = beginsAtHome;
    for (let redirects = 0; ; redirects += 1) {
      const answer = await ask(at, await this.credentialsFor(at, isAtHome));
      const location = answer.headers.location;
      if (!statuses.has(answer.status) || location === undefined) return answer;
      discard(answer);
      if (redirects >= this.settings.maxRedirects) {
        throw new TransferError(`${subject}: more than ${this.settings.maxRedirects} redirects`, { retryable: false });
      }
      if (!URL.canParse(location, at)) {
        throw new TransferError(`${subject}: it redirects to what is not a URL`, { retryable: false });
      }
      at = redirected(new URL(location, at), new URL(at)).href;
      // What another server names is not what the owner named: its credentials do not go there, nor on the way back.
      isAtHome &&= isSameOrigin(at, url);
    }
  }

  /** Those in the URL count, as whoever wrote it meant it; then the owner's, then those of the settings, whose other headers go along with either. */
  private async credentialsFor(at: string, isAtHome: boolean): Promise<Credentials> {
    if (isAtHome && this.carried) return this.carried;
    const inUrl = authorizationOf(at);
    if (!isAtHome) return inUrl;
    const server = this.servers.of(at);
    const shared = server ? headersOf(server) : {};
    if (inUrl['authorization'] !== undefined) return { ...shared, ...inUrl };
    const secret = await this.owners?.secrets.forUrl(at);
    return secret ? { ...shared, authorization: headerOf(secret) } : shared;
  }

  /** Of a request with an owner's credentials, connections that no other owner uses. */
  private agentsOf({ headers, url }: OneRequest): ReturnType<typeof agentsFor> {
    if (!this.owners || headers['authorization'] === undefined || hasUserinfo(new URL(url))) return this.agents;
    return (this.ownAgents ??= agentsFor(this.settings));
  }

  /** Connections that are lent to it stay. */
  close(): void {
    for (const agents of [this.ownAgents, this.owners ? undefined : this.agents]) {
      agents?.http.destroy();
      agents?.https.destroy();
    }
  }

  private async once(request: OneRequest, signal: AbortSignal): Promise<Answer> {
    const reason = this.refusal(request.url);
    if (reason !== undefined) throw new TransferError(`${request.subject}: ${reason}`, { retryable: false });
    signal.throwIfAborted();
    const target = new URL(request.url);
    target.username = '';
    target.password = '';
    const { upload } = request;
    const agents = this.agentsOf(request);
    const idle = upload?.idle ?? new IdleWatch(this.settings.idleTimeoutMs);
    const content = await upload?.body();
    if (!upload) idle.arm();
    try {
      // Loaded with the first URL: a start without one need not wait for it.
      const { default: axios } = await import('axios');
      const { status, data } = await axios.request<IncomingMessage>({
        method: request.method,
        url: target.href,
        headers: { 'User-Agent': 'tes-gateway', Accept: '*/*', 'Accept-Encoding': 'identity', ...request.headers },
        ...(upload && { data: content, transport: transportOf(upload, target) }),
        responseType: 'stream',
        httpAgent: agents.http,
        httpsAgent: agents.https,
        // Followed above, where each target is checked. The environment's proxy is not a setting of ours.
        maxRedirects: 0,
        proxy: false,
        decompress: false,
        maxBodyLength: -1,
        maxContentLength: -1,
        validateStatus: () => true,
        signal: AbortSignal.any([signal, idle.signal]),
      });
      return { status, url: request.url, headers: data.headers, body: data, idle };
    } catch (error) {
      signal.throwIfAborted();
      if (idle.expired) throw idleError(request.subject, this.settings.idleTimeoutMs);
      const during = request.method === 'PUT' ? 'write' : 'read';
      throw networkError(error, { subject: request.subject, during });
    } finally {
      idle.rest();
    }
  }
}

interface OneRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT';
  readonly url: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly upload?: Upload;
}

type Send = (options: RequestOptions, answered: (response: IncomingMessage) => void) => ClientRequest;

/** Node's own, and heard when the server says that the body may come. */
function transportOf(upload: Upload, { protocol }: URL): { readonly request: Send } {
  const send = protocol === 'https:' ? requestTls : requestPlain;
  return { request: (options, answered) => send(options, answered).once('continue', () => upload.mayBegin()) };
}

/** Lets go of an answer whose body is not wanted, keeping the connection where that is cheap and quick. */
export function discard({ body }: Answer): void {
  if (body.closed) return;
  let bytes = 0;
  const timer = setTimeout(() => body.destroy(), DISCARD_MS);
  // What becomes of it is nobody's concern any more.
  body.on('error', () => undefined);
  body.on('close', () => {
    clearTimeout(timer);
  });
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DISCARDED_BYTES) body.destroy();
  });
}
