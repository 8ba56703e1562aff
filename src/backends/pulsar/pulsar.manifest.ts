import type { HostFile, HostPlaces } from '../shared/script/script-host';
import type { ErrandPlaces } from '../shared/script/script-manifest';
import { quoteWord, quoteWords } from '../shared/shell-quote';

/** Below the job's `metadata`, the one place that can be written and read through the interface and that Pulsar neither copies nor empties. */
const WORKSPACE = 'tes';
export const SCRIPT = 'job.sh';
/** Below an errand's `metadata`. */
export const ANSWER = 'answer';
/** As seen from an errand's working directory. */
export const ERRAND_PLACES: ErrandPlaces = { jobs: '../..', workspace: `metadata/${WORKSPACE}`, answer: `../metadata/${ANSWER}` };

/** Kinds of places for files that go to a job. */
export type PlaceType = 'tool' | 'metadata';

/** A small file of a job, as a path below the place. */
export interface PlacedFile {
  readonly type: PlaceType;
  readonly name: string;
  readonly content: Buffer;
}

/** A file of the workspace as a path below the job's `metadata`. */
export const metadataName = (name: string): string => `${WORKSPACE}/${name}`;
export const metadataFile = ({ name, content }: HostFile): PlacedFile => ({ type: 'metadata', name: metadataName(name), content });
export const scriptFile = (content: Buffer): PlacedFile => ({ type: 'tool', name: SCRIPT, content });
export const placesOf = (directory: string): HostPlaces => ({
  workspace: `${directory}/metadata/${WORKSPACE}`,
  common: `${directory.slice(0, directory.lastIndexOf('/'))}/.tes-gateway`,
});

/** `TES_GATEWAY_JOB` marks every process of the job. No stream of the job reaches Pulsar, which fails on what is not UTF-8. */
export function commandLine(jobName: string): string {
  return `TES_GATEWAY_JOB=${quoteWord(jobName)} sh ../tool_files/${SCRIPT} ../metadata/${WORKSPACE} </dev/null >../metadata/tool_stdout 2>../metadata/tool_stderr`;
}

export function errandCommandLine(verb: string, words: readonly string[], script = SCRIPT): string {
  return `sh ../tool_files/${script} ${quoteWords([verb, ...words])} </dev/null >../metadata/tool_stdout 2>../metadata/tool_stderr`;
}
