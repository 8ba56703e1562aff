import type { Readable } from 'node:stream';

/**
 * What differs between the machines on which a job script can run. `HostBackend` does everything else. Every call may be repeated; failures
 * are `BackendError` that name the backend and hold neither address nor secret. `id` names a job's directory there, and files are named
 * as paths below the job's workspace in it (`Layout`).
 */
export interface ScriptHost {
  /** For sentences, with the name of the backend: `the queue of far`. */
  readonly title: string;
  readonly traits: HostTraits;
  /** Throws when it cannot be used now, and says why. */
  health(signal: AbortSignal): Promise<HostHealth>;
  /** Makes the job's directory, or finds it, where that can be done beforehand; gives its absolute path on the host. */
  make(id: string, signal: AbortSignal): Promise<string>;
  /** Where things lie, by that path. Pure. */
  placesOf(directory: string): HostPlaces;
  /** Writes files one after the other; makes the directory where there is none. Before it resolves each may be absent, cut or whole. */
  put(id: string, files: readonly HostFile[], signal: AbortSignal): Promise<void>;
  /** Writes the files, and `first` where nothing of that name is there yet, then has the script carried out. Resolves when that is accepted. */
  start(id: string, job: JobStart, signal: AbortSignal): Promise<void>;
  status(id: string, signal: AbortSignal): Promise<HostStatus>;
  /** Asks it to end the process that it started; says nothing about what left that. */
  stop(id: string, signal: AbortSignal): Promise<void>;
  /** Asks for the directory to be removed; whether it was, the status tells. */
  remove(id: string, signal: AbortSignal): Promise<void>;
  /** A small file, whole; `undefined` when there is none, or when the host does not say which. */
  get(id: string, name: string, mostBytes: number, signal: AbortSignal): Promise<ReadFile | undefined>;
  /** Part of a file; empty when there is none. */
  part(id: string, name: string, offset: number, maxBytes: number, signal: AbortSignal): Promise<Buffer>;
  /** Has a short job of the gateway's own carried out (errand.sh), and gives its answer. */
  run(verb: Verb, words: readonly string[], signal: AbortSignal): Promise<Buffer>;
  /** Data of any length, where there is a way for it; absent = the job moves its own data. */
  readonly files?: HostFiles;
  /** Calls `nudge` with a job's name when the host has said something of it: it may say what it likes, it only makes the gateway look. */
  watch?(nudge: (id: string) => void, signal: AbortSignal): void;
  /** The job is looked at now: the engine has dealt with what was said of it before the last look; with everything, when it `isOver`. */
  looked?(id: string, isOver: boolean): void;
  close(): Promise<void>;
}

/** What `run` can be asked: what the host has; its directories; a stager's version; whether a script lives; to end, or remove, all of a job; names of jobs. */
export type Verb = 'probe' | 'entries' | 'stager' | 'look' | 'end' | 'remove' | 'names';

export interface HostTraits {
  /** True where the directory is only made together with the start: until then the host knows nothing of the job. */
  readonly startsWhole: boolean;
  /** Jobs that are looked at beside each other. */
  readonly observedAtOnce: number;
  readonly pollMs: { readonly first: number; readonly longest: number };
}

/** What the host itself says of a script. The script's own report decides; this only tells where to look. */
export type HostStatus =
  /** There is no directory of that name (yet). */
  | 'none'
  /** The directory is there, and nothing is known of a start. */
  | 'made'
  /** Handed over; no process of it yet. */
  | 'queued'
  /** There is, or was, a process. */
  | 'underway'
  /** The host has seen the end of it. */
  | 'ended';

/** No process of it yet. */
export const isWaiting = (status: HostStatus): boolean => status === 'made' || status === 'queued';
/** The end was seen, or nothing is known of it. */
export const isOver = (status: HostStatus): boolean => status === 'ended' || status === 'none';

export interface HostHealth {
  /** With the name of what it is of. */
  readonly version: string;
  /** Besides, such as who listens at a broker; empty where there is nothing to add. */
  readonly detail: string;
}

export interface HostPlaces {
  /** The job's own. */
  readonly workspace: string;
  /** What the jobs of the host share: image files, what was learnt of images. */
  readonly common: string;
}

/** A small file of a job. */
export interface HostFile {
  readonly name: string;
  readonly content: Buffer;
}

/** `hostTime` is the host's own clock, ms, when it is known. */
export interface ReadFile {
  readonly bytes: Buffer;
  readonly hostTime?: number;
}

export interface JobStart {
  readonly files: readonly HostFile[];
  readonly first: readonly HostFile[];
  readonly script: Buffer;
}

export interface HostFiles {
  /** Once: the stream cannot be read again. */
  send(id: string, name: string, content: Readable, signal: AbortSignal): Promise<void>;
  /** The bytes of a file, as they come; `undefined` when the host cannot give it. */
  open(id: string, name: string, signal: AbortSignal): Promise<Readable | undefined>;
}
