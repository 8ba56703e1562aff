import { constants, inflateSync } from 'node:zlib';

/** Names and messages of Pulsar's AMQP interface. Pure. */

export const EXCHANGE = 'pulsar';
export const JSON_TYPE = 'application/json';
/** Longer updates are not read: the longest true one lists some ten thousand files, or holds the reports of a batch of jobs. */
export const MOST_UPDATE_BYTES = 24 << 20;

export interface QueueNames {
  readonly setup: string;
  readonly kill: string;
  readonly status: string;
  readonly updates: string;
  /** Ours: updates that nobody can read. */
  readonly parked: string;
  /** Queue of a suffix that Pulsar names. */
  readonly prefix: string;
}

/** A key prefix replaces the manager's name; `pulsar_` alone is the default manager's. */
export function queueNames(manager: string | undefined, keyPrefix: string | undefined): QueueNames {
  const prefix = keyPrefix ?? (manager === undefined || manager === '_default_' ? 'pulsar_' : `pulsar_${manager}_`);
  return {
    setup: `${prefix}_setup`,
    kill: `${prefix}_kill`,
    status: `${prefix}_status`,
    updates: `${prefix}_status_update`,
    parked: `${prefix}_status_update_parked`,
    prefix,
  };
}

/** A file that travels in a setup message, for `tool_files`. Text only. */
export function messageFile(name: string, contents: string): Readonly<Record<string, unknown>> {
  return { name, type: 'tool', action: { action_type: 'message', contents } };
}

/** Errands of the gateway's own, and what others send, have other names. */
export function isJobName(id: string): boolean {
  return /^tes-[a-z0-9]+-[0-9]+$/.test(id);
}

/** What Pulsar says of a job, or what is wrong with what came instead. */
export type Update =
  | {
      readonly kind: 'update';
      readonly jobId: string;
      readonly status: string | null;
      readonly version?: string;
      /** Absolute; only in the last update of a job. */
      readonly directory?: string;
      /** Files that the job left to be told, by name. */
      readonly told: ReadonlyMap<string, string>;
      readonly acknowledge?: { readonly uuid: string; readonly queue: string };
    }
  | { readonly kind: 'strange'; readonly what: string };

export function parseUpdate(content: Buffer, contentType: unknown, compression: unknown): Update {
  if (content.length > MOST_UPDATE_BYTES) return { kind: 'strange', what: `${content.length} bytes` };
  if (contentType !== JSON_TYPE) return { kind: 'strange', what: 'not of type application/json' };
  let value: unknown;
  try {
    const text = compression === 'application/x-gzip' ? inflateSync(content, INFLATED) : content;
    if (compression !== undefined && text === content) return { kind: 'strange', what: 'of an unknown compression' };
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    return { kind: 'strange', what: 'not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { kind: 'strange', what: 'not an object' };
  const fields = value as Readonly<Record<string, unknown>>;
  const { job_id: jobId, status, pulsar_version: version } = fields;
  if (typeof jobId !== 'string' || jobId === '') return { kind: 'strange', what: 'of no job' };
  if (status !== null && typeof status !== 'string') return { kind: 'strange', what: 'without a status' };
  const directory = fields['job_directory'];
  return {
    kind: 'update',
    jobId,
    status: isRecovery(status, fields) ? 'running' : status,
    ...(typeof version === 'string' && { version: version.slice(0, 50) }),
    ...(typeof directory === 'string' && /^\/[^\0\n]*$/.test(directory) && { directory }),
    told: toldFiles(fields['realized_dynamic_file_sources']),
    ...acknowledgement(fields),
  };
}

const INFLATED = { maxOutputLength: MOST_UPDATE_BYTES, finishFlush: constants.Z_SYNC_FLUSH };

/** After its restart Pulsar calls every job lost that it cannot find among its children, also one that runs or ended well: its directory is there. */
function isRecovery(status: string | null, fields: Readonly<Record<string, unknown>>): boolean {
  const contents = fields['job_directory_contents'];
  return status === 'lost' && Array.isArray(contents) && contents.length > 0;
}

function toldFiles(value: unknown): ReadonlyMap<string, string> {
  const told = new Map<string, string>();
  for (const source of Array.isArray(value) ? (value as unknown[]) : []) {
    if (typeof source !== 'object' || source === null) continue;
    const { path, contents } = source as Readonly<Record<string, unknown>>;
    if (typeof path === 'string' && typeof contents === 'string') told.set(path, contents);
  }
  return told;
}

/** Pulsar repeats what it wants acknowledged until it is. */
function acknowledgement(fields: Readonly<Record<string, unknown>>): { acknowledge?: { uuid: string; queue: string } } {
  const { acknowledge_uuid: uuid, acknowledge_queue: queue } = fields;
  if (typeof uuid !== 'string' || typeof queue !== 'string' || !/^[a-z_]{1,40}_ack$/.test(queue)) return {};
  return { acknowledge: { uuid, queue } };
}
