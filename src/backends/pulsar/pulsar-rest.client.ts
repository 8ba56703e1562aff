import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import axios, { type AxiosInstance, type AxiosResponse } from 'axios';
import { BackendError } from '../../ports/errors';
import { within } from '../../ports/within';
import type { HostFile, HostHealth, HostStatus, HostTraits, JobStart, ReadFile, ScriptHost, Verb } from '../shared/script/script-host';
import { Slots } from '../shared/script/slots';
import { PulsarErrands } from './pulsar-errands';
import { faultOfAnswer, faultOfConnection, titleOf } from './pulsar-faults';
import { commandLine, metadataFile, metadataName, type PlacedFile, placesOf, type PlaceType, scriptFile } from './pulsar.manifest';
import { statusOf } from './pulsar.states';

/** Pulsar keeps an idle connection for two seconds; ours are dropped before it can close one that is just being used again. */
const IDLE_MS = 1000;
/** Pulsar has four threads: one must stay free for short calls. */
const TRANSFERS = 3;
const CALLS = 4;
const PLACED_AT_ONCE = 3;
const CALL_MS = 20_000;
/** A transfer in which nothing moves for so long is given up. */
const STALLED_MS = 60_000;
const SHORT_ANSWER_BYTES = 1 << 20;
/** A terminal status lists every file of the job; more than this is not read, for its word stands before them. */
const STATUS_BYTES = 1 << 20;
const STATUS_WORD = /^\{(?:"(?:job_id|complete)": "[^"\\]*", )*"status": "([a-z_]+)", /;

export interface PulsarServer {
  readonly name: string;
  readonly url: string;
  readonly token: string;
  readonly manager?: string;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly body?: Buffer | Readable;
  readonly mostBytes: number;
  /** Of a longer answer the beginning is taken. */
  readonly isHeadEnough?: boolean;
}

type Limit = Pick<Call, 'mostBytes' | 'isHeadEnough'>;

/**
 * Pulsar's REST interface. Everything it says comes as `text/html` with 200 or as a bare 500, so answers are judged by what the route
 * gives; each is bounded. The token stands in the address and nowhere else: no error carries an address or axios' own error.
 */
export class PulsarRestClient implements ScriptHost {
  readonly title: string;
  readonly traits: HostTraits = { startsWhole: false, observedAtOnce: 4, pollMs: { first: 500, longest: 20_000 } };
  readonly files = this;
  readonly placesOf = placesOf;
  private readonly errands: PulsarErrands;
  private readonly http: AxiosInstance;
  private readonly agents = { http: new HttpAgent(AGENT), https: new HttpsAgent(AGENT) };
  private readonly calls = new Slots(CALLS);
  private readonly transfers = new Slots(TRANSFERS);
  private readonly placing = new Slots(PLACED_AT_ONCE);

  constructor(
    protected readonly server: PulsarServer,
    errandScript: string,
  ) {
    this.title = titleOf(server.name);
    this.errands = new PulsarErrands(this, server.name, errandScript);
    this.http = axios.create({
      httpAgent: this.agents.http,
      httpsAgent: this.agents.https,
      responseType: 'stream',
      decompress: false,
      maxRedirects: 0,
      maxBodyLength: Infinity,
      proxy: false,
      validateStatus: () => true,
    });
  }

  async close(): Promise<void> {
    this.agents.http.destroy();
    this.agents.https.destroy();
  }

  async health(signal: AbortSignal): Promise<HostHealth> {
    const answer = await this.json({ method: 'GET', path: '/healthz', mostBytes: SHORT_ANSWER_BYTES }, signal);
    return {
      version: `Pulsar ${typeof answer['version'] === 'string' ? answer['version'].slice(0, 50) : 'of unknown version'}`,
      detail: '',
    };
  }

  async make(id: string, signal: AbortSignal): Promise<string> {
    const answer = await this.json({ method: 'POST', path: '/jobs', parameters: { job_id: id }, mostBytes: SHORT_ANSWER_BYTES }, signal);
    if (answer['job_id'] !== id) {
      throw new BackendError(`the Pulsar server of ${this.server.name} gives jobs names of its own (assign_ids): it cannot be used`, {
        retryable: false,
      });
    }
    const directory = answer['job_directory'];
    if (typeof directory === 'string' && /^\/[^\0\n]*$/.test(directory)) return directory;
    throw faultOfAnswer(this.server.name, { kind: 'strange' });
  }

  /** Accepted, not launched. Pulsar ignores a second one under the same name, except after a restart: the script guards itself. */
  async submit(id: string, commandLine: string, signal: AbortSignal): Promise<void> {
    const parameters = { command_line: commandLine };
    await this.ok({ method: 'POST', path: `/jobs/${id}/submit`, parameters, mostBytes: SHORT_ANSWER_BYTES }, signal);
  }

  async start(id: string, job: JobStart, signal: AbortSignal): Promise<void> {
    await this.lay(id, job, signal);
    await this.submit(id, commandLine(id), signal);
  }

  /** The mark and the first report are there since `make`. */
  protected async lay(id: string, { files, script }: JobStart, signal: AbortSignal): Promise<void> {
    const all = [...files.map(metadataFile), scriptFile(script)];
    await Promise.all(all.map((file) => this.placing.with(signal, () => this.place(id, file, signal))));
  }

  async status(id: string, signal: AbortSignal): Promise<HostStatus> {
    const text = await this.short({ method: 'GET', path: `/jobs/${id}/status`, mostBytes: STATUS_BYTES, isHeadEnough: true }, signal);
    const [, word] = STATUS_WORD.exec(text) ?? [];
    if (word !== undefined) return statusOf(word);
    const { status } = objectOf(this.server.name, text);
    if (status === null || typeof status === 'string') return statusOf(status);
    throw faultOfAnswer(this.server.name, { kind: 'strange' });
  }

  /** Kills the process tree that Pulsar started. */
  stop(id: string, signal: AbortSignal): Promise<void> {
    return this.cancel(id, signal);
  }

  async cancel(id: string, signal: AbortSignal): Promise<void> {
    await this.ok({ method: 'PUT', path: `/jobs/${id}/cancel`, mostBytes: SHORT_ANSWER_BYTES }, signal);
  }

  /** Removes the directory; Pulsar says OK whatever happened. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    await this.ok({ method: 'DELETE', path: `/jobs/${id}`, mostBytes: SHORT_ANSWER_BYTES }, signal);
  }

  /** A small file; sent again by itself when the connection breaks. */
  async place(id: string, { type, name, content }: PlacedFile, signal: AbortSignal): Promise<void> {
    await this.json({ ...upload(id, type, name), body: content, mostBytes: SHORT_ANSWER_BYTES }, signal);
  }

  async put(id: string, files: readonly HostFile[], signal: AbortSignal): Promise<void> {
    for (const file of files) await this.place(id, metadataFile(file), signal);
  }

  /** A file of any length, once: the stream cannot be read again. Needs a server that takes chunked bodies, as `pulsar-serve` does. */
  async send(id: string, name: string, content: Readable, signal: AbortSignal): Promise<void> {
    await this.transfers.with(signal, async () => {
      const response = await this.request({ ...upload(id, 'metadata', metadataName(name)), body: content }, signal, STALLED_MS);
      objectOf(this.server.name, await this.text(response, { mostBytes: SHORT_ANSWER_BYTES }, signal));
    });
  }

  run(verb: Verb, words: readonly string[], signal: AbortSignal): Promise<Buffer> {
    return this.errands.run(verb, words, signal);
  }

  get(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<ReadFile | undefined> {
    return this.fetch(id, metadataName(name), mostBytes, signal);
  }

  /** A small file below the job's `metadata`; `undefined` when the server cannot give it, which is how it says that there is none. */
  async fetch(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<ReadFile | undefined> {
    const call: Call = { ...download(id, name), mostBytes };
    return this.calls.with(signal, () =>
      this.twice(signal, async (limited) => {
        const response = await this.request(call, limited, CALL_MS);
        if (response.status === 500) {
          response.data.destroy();
          return undefined;
        }
        const bytes = await this.bytes(response, { mostBytes }, limited);
        const date = Date.parse(String((response.headers as IncomingHttpHeaders).date ?? ''));
        return Number.isNaN(date) ? { bytes } : { bytes, hostTime: date };
      }),
    );
  }

  /** The slot is given back when the stream is over. */
  async open(id: string, name: string, signal: AbortSignal): Promise<Readable | undefined> {
    const give = await this.transfers.take(signal);
    try {
      const response = await this.request(download(id, metadataName(name)), signal, STALLED_MS);
      if (response.status !== 200) {
        response.data.destroy();
        give();
        if (response.status === 500) return undefined;
        throw faultOfAnswer(this.server.name, { kind: 'status', status: response.status });
      }
      response.data.setTimeout(STALLED_MS, () => response.data.destroy(new Error('the transfer stands still')));
      response.data.once('close', give);
      return response.data;
    } catch (error) {
      give();
      throw error;
    }
  }

  async part(id: string, name: string, offset: number, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    const content = await this.open(id, name, signal);
    if (!content) return Buffer.alloc(0);
    const chunks: Buffer[] = [];
    let position = 0;
    try {
      for await (const chunk of content) {
        const bytes = chunk as Buffer;
        const from = Math.max(0, offset - position);
        if (from < bytes.length) chunks.push(bytes.subarray(from));
        position += bytes.length;
        if (position >= offset + maxBytes) break;
      }
    } finally {
      content.destroy();
    }
    return Buffer.concat(chunks).subarray(0, maxBytes);
  }

  private async ok(call: Call, signal: AbortSignal): Promise<void> {
    const text = await this.short(call, signal);
    if (text.trim() !== 'OK') throw faultOfAnswer(this.server.name, { kind: 'strange' });
  }

  private async json(call: Call, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    return objectOf(this.server.name, await this.short(call, signal));
  }

  private async short(call: Call, signal: AbortSignal): Promise<string> {
    return this.calls.with(signal, () =>
      this.twice(signal, async (limited) => this.text(await this.request(call, limited, CALL_MS), call, limited)),
    );
  }

  private async text(response: AxiosResponse<IncomingMessage>, limit: Limit, signal: AbortSignal): Promise<string> {
    return (await this.bytes(response, limit, signal)).toString('utf8');
  }

  /** Every short call may be repeated. A dropped connection is often the server's own error, and is tried once more. */
  private async twice<T>(signal: AbortSignal, work: (limited: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await within(signal, CALL_MS, work);
    } catch (error) {
      if (signal.aborted || !(error instanceof BackendError) || !isDropped(error)) throw error;
      return within(signal, CALL_MS, work);
    }
  }

  private async bytes(response: AxiosResponse<IncomingMessage>, { mostBytes, isHeadEnough }: Limit, signal: AbortSignal): Promise<Buffer> {
    const { data, status } = response;
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of data) {
        signal.throwIfAborted();
        length += (chunk as Buffer).length;
        if (length > mostBytes) break;
        chunks.push(chunk as Buffer);
      }
    } catch (error) {
      throw faultOfConnection(this.server.name, error, signal);
    } finally {
      if (length > mostBytes) data.destroy();
    }
    if (status !== 200) throw faultOfAnswer(this.server.name, { kind: 'status', status });
    if (length > mostBytes && isHeadEnough !== true) throw faultOfAnswer(this.server.name, { kind: 'long', mostBytes });
    if (length <= mostBytes && !data.complete) throw faultOfAnswer(this.server.name, { kind: 'cut' });
    return Buffer.concat(chunks);
  }

  private async request(call: Omit<Call, 'mostBytes'>, signal: AbortSignal, stalledMs: number): Promise<AxiosResponse<IncomingMessage>> {
    const { method, path, parameters = {}, body } = call;
    const prefix = this.server.manager === undefined ? '' : `/managers/${encodeURIComponent(this.server.manager)}`;
    const query = new URLSearchParams({ ...parameters, ...(this.server.token !== '' && { private_token: this.server.token }) });
    try {
      return await this.http.request<IncomingMessage>({
        method,
        url: `${this.server.url}${prefix}${path}?${query.toString()}`,
        signal,
        timeout: stalledMs,
        headers: { 'content-type': 'application/octet-stream', ...(Buffer.isBuffer(body) && { 'content-length': body.length }) },
        ...(body !== undefined && { data: body }),
      });
    } catch (error) {
      throw faultOfConnection(this.server.name, error, signal);
    }
  }
}

const AGENT = { keepAlive: true, timeout: IDLE_MS, maxSockets: CALLS + TRANSFERS };

function upload(id: string, type: PlaceType, name: string): Omit<Call, 'mostBytes'> {
  return { method: 'POST', path: `/jobs/${id}/files`, parameters: { name, type } };
}

function download(id: string, name: string): Omit<Call, 'mostBytes'> {
  return { method: 'GET', path: `/jobs/${id}/files`, parameters: { name, type: 'output_metadata' } };
}

function objectOf(name: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw faultOfAnswer(name, { kind: 'strange' });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw faultOfAnswer(name, { kind: 'strange' });
}

function isDropped(error: BackendError): boolean {
  return error.cause instanceof Error && error.cause.message === 'ECONNRESET';
}
