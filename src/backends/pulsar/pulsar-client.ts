import type { Readable } from 'node:stream';

/** Kinds of places for files that go to a job. */
export type PlaceType = 'tool' | 'metadata';

/** A small file of a job, as a path below the place. */
export interface PlacedFile {
  readonly type: PlaceType;
  readonly name: string;
  readonly content: Buffer;
}

/** A file of a job; `serverTime` is the worker's own clock, ms, when it is known. */
export interface RemoteFile {
  readonly bytes: Buffer;
  readonly serverTime?: number;
}

/** Where a finished check of the server is told. */
export interface ServerHealth {
  readonly version: string;
  /** Besides the version, such as who listens at the broker; empty where there is nothing to add. */
  readonly detail: string;
}

/**
 * What the backend asks of a Pulsar server, whichever way it is reached. Every call may be repeated; failures are `BackendError`
 * that name the backend and hold neither address nor token.
 */
export interface PulsarClient {
  /** Throws when the server cannot be used now, and says why. */
  health(signal: AbortSignal): Promise<ServerHealth>;
  /** True where the directory is only made together with the start: until then the server knows nothing of the job. */
  readonly startsWhole: boolean;
  /** Makes the job's directory, or finds it, where that can be done beforehand; gives its absolute path on the worker. */
  setup(id: string, signal: AbortSignal): Promise<string>;
  /** Writes files one after the other; makes the directory where there is none. Before it resolves each may be absent, cut or whole. */
  place(id: string, files: readonly PlacedFile[], signal: AbortSignal): Promise<void>;
  /** Writes the files, and `first` where nothing of that name is there yet, then has the command carried out. Resolves when that is accepted. */
  start(id: string, job: JobStart, signal: AbortSignal): Promise<void>;
  /** Pulsar's own word for the job; `lost` when there is no directory of that name (yet). */
  status(id: string, signal: AbortSignal): Promise<string | null>;
  /** Asks Pulsar to end the process tree that it started; says nothing about what left it. */
  cancel(id: string, signal: AbortSignal): Promise<void>;
  /** Asks for the directory to be removed; whether it was, the status tells. */
  remove(id: string, signal: AbortSignal): Promise<void>;
  /** A file below the job's `metadata`; `undefined` when the server cannot give it, which is how it says that there is none. */
  get(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<RemoteFile | undefined>;
  /** Part of such a file; empty when there is none. */
  part(id: string, name: string, offset: number, maxBytes: number, signal: AbortSignal): Promise<Buffer>;
  /** Calls `nudge` with a job's name when the server has said something of it. */
  watch?(nudge: (id: string) => void, signal: AbortSignal): void;
  /** The job is looked at now: the engine has dealt with what was said of it before the last look; with everything, when it `isOver`. */
  looked?(id: string, isOver: boolean): void;
  close(): Promise<void>;
}

export interface JobStart {
  readonly files: readonly PlacedFile[];
  readonly first: readonly PlacedFile[];
  readonly commandLine: string;
}

/** Data of any length, where the server has an interface for files. */
export interface PulsarTransfers {
  /** Once: the stream cannot be read again. */
  send(id: string, type: PlaceType, name: string, content: Readable, signal: AbortSignal): Promise<void>;
  /** The bytes of a file below the job's `metadata`, as they come; `undefined` when the server cannot give it. */
  open(id: string, name: string, signal: AbortSignal): Promise<Readable | undefined>;
}

/** Short jobs of the gateway's own on the worker (errand.sh). */
export interface Errands {
  run(
    verb: 'probe' | 'entries' | 'look' | 'end' | 'names' | 'stager' | 'remove',
    words: readonly string[],
    signal: AbortSignal,
  ): Promise<Buffer>;
}
