import type { S3, S3ClientConfig } from '@aws-sdk/client-s3';
import type { Login } from '../../ports/credentials';
import { TransferError } from '../../ports/errors';
import { agentsFor, type ConnectionSettings } from '../shared/http-agents';
import { idleError, IdleWatch } from '../shared/idle-watch';
import { signSums } from './content-sums';
import type { S3Address } from './s3-address';
import { endpointFor, type S3Endpoint, withLogin } from './s3-endpoints';
import { regionSaid, type S3Context, s3Error } from './s3-errors';

export interface S3Settings extends ConnectionSettings {
  /** Whether `s3:` URLs may be used at all. */
  readonly enabled: boolean;
  readonly endpoints: readonly S3Endpoint[];
  /** A request in which nothing moves for so long is given up, ms. */
  readonly idleTimeoutMs: number;
  /** What all transfers of the process may hold of objects in memory. */
  readonly memoryBytes: number;
}

export interface AskOptions extends S3Context {
  readonly signal: AbortSignal;
  /** Armed by the one whose content the request sends; absent = the answer is awaited from the start. */
  readonly idle?: IdleWatch;
}

interface Client {
  readonly s3: Promise<S3>;
  /** When it is made anew; absent = never. */
  readonly untilMs?: number;
}

/** Credentials may come later, for example by a file: so long it is gone without them where none are found. */
const ANONYMOUS_MS = 60_000;
const MOST_REGIONS = 1000;
const REGION = 'us-east-1';
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The SDK's clients, one for each endpoint and region, made when they are first needed; the SDK is loaded with the first of them. */
export class S3Connections {
  private readonly agents: ReturnType<typeof agentsFor>;
  private readonly clients = new Map<string, Client>();
  /** Of buckets that lie elsewhere than their endpoint says. */
  private readonly regions = new Map<string, string>();

  constructor(private readonly settings: S3Settings) {
    this.agents = agentsFor(settings);
  }

  /** One request, once; by `login` in the place of what the settings say. Throws a `TransferError`, or the signal's reason. Asks again where the server names the region of the bucket. */
  async ask<T>(
    at: S3Address,
    options: AskOptions,
    request: (s3: S3, abort: { readonly abortSignal: AbortSignal }) => Promise<T>,
    login?: Login,
  ): Promise<T> {
    const { signal, subject, idle = new IdleWatch(this.settings.idleTimeoutMs) } = options;
    const found = endpointFor(at, this.settings.endpoints);
    const endpoint = login ? withLogin(found, login) : found;
    const place = `${endpoint.prefix} ${at.bucket}`;
    for (let isLast = false; ; isLast = true) {
      signal.throwIfAborted();
      const region = this.regions.get(place);
      try {
        const s3 = await this.client(endpoint, region);
        signal.throwIfAborted();
        if (!options.idle) idle.arm();
        return await request(s3, { abortSignal: AbortSignal.any([signal, idle.signal]) });
      } catch (error) {
        signal.throwIfAborted();
        if (idle.expired) throw idleError(subject, this.settings.idleTimeoutMs);
        const said = regionSaid(error);
        if (isLast || said === undefined || said === (region ?? endpoint.region)) throw s3Error(error, options);
        if (this.regions.size >= MOST_REGIONS) this.regions.clear();
        this.regions.set(place, said);
      } finally {
        if (!options.idle) idle.rest();
      }
    }
  }

  close(): void {
    this.agents.http.destroy();
    this.agents.https.destroy();
    this.clients.clear();
  }

  private client(endpoint: S3Endpoint, region: string | undefined): Promise<S3> {
    const key = JSON.stringify([endpoint.prefix, region, endpoint.access_key_id, endpoint.secret_access_key]);
    const there = this.clients.get(key);
    if (there && (there.untilMs === undefined || performance.now() < there.untilMs)) return there.s3;
    const s3 = this.make(endpoint, region, () => this.clients.set(key, { s3, untilMs: performance.now() + ANONYMOUS_MS }));
    this.clients.set(key, { s3 });
    // What could not be made is made anew for the next who asks; this one is told why.
    s3.catch(() => this.clients.delete(key));
    return s3;
  }

  private async make(endpoint: S3Endpoint, region: string | undefined, forAWhile: () => void): Promise<S3> {
    const { S3: Client } = await import('@aws-sdk/client-s3');
    const { url, access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken, profile } = endpoint;
    const config: S3ClientConfig = {
      ...(url !== undefined && { endpoint: url }),
      forcePathStyle: endpoint.path_style ?? url !== undefined,
      ...(profile !== undefined && { profile }),
      ...(accessKeyId !== undefined &&
        secretAccessKey !== undefined && {
          credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
        }),
      // The checksums of newer versions of S3, which many servers do not know: what is sent is signed with its SHA-256 anyway.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { httpAgent: this.agents.http, httpsAgent: this.agents.https },
      expectContinueHeader: false,
      customUserAgent: 'tes-gateway',
      // It would print what it thinks of how it is used.
      logger: SILENT,
    };
    const made = new Client({
      ...config,
      region: region ?? endpoint.region ?? (url === undefined ? await ambientRegion(Client, config) : REGION),
    });
    prepare(made);
    if (accessKeyId !== undefined) return made;
    const finds = endpoint.anonymous === true ? false : await hasCredentials(made, endpoint);
    if (finds) return made;
    if (endpoint.anonymous !== true) forAWhile();
    const anonymous = new Client({
      ...config,
      region: made.config.region,
      credentials: { accessKeyId: 'anonymous', secretAccessKey: 'anonymous' },
      signer: { sign: (request) => Promise.resolve(request) },
    });
    prepare(anonymous);
    return anonymous;
  }
}

function prepare(client: S3): void {
  signSums(client);
  // Whoever asks tries again. The SDK's own pauses cannot be stopped, and it prints a line for each body that is a stream.
  const once = { name: 'retryMiddleware', step: 'finalizeRequest', priority: 'high', override: true } as const;
  client.middlewareStack.add((next) => next, once);
}

/** What the environment or the profile says. */
async function ambientRegion(Client: typeof S3, config: S3ClientConfig): Promise<string> {
  return new Client(config).config.region().catch(() => REGION);
}

/** Whether the surroundings know credentials: environment, profile, web identity, container or machine. */
async function hasCredentials({ config }: S3, { profile }: S3Endpoint): Promise<boolean> {
  try {
    await config.credentials();
    return true;
  } catch (error) {
    if (profile === undefined && error instanceof Error && error.name === 'CredentialsProviderError') return false;
    const why = error instanceof Error ? error.message : String(error);
    throw new TransferError('the credentials for S3 cannot be had', {
      retryable: true,
      internal: `the credentials for S3 cannot be had: ${why}`,
    });
  }
}
