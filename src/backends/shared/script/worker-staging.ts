import type { Job } from '../../../ports/execution-backend';
import type { Observation } from '../../../task/observation';
import type { TesTaskRequest } from '../../../task/tes';
import { schemeOf } from '../../../task/url';
import { isWithin, pathOf, segmentsOf } from '../../../task/container-path';
import { INSTANCE_LABEL, JOB_LABEL } from '../runtimes/labels';
import { RUNTIMES } from '../runtimes/runtimes';
import { assignment, quoteWords } from '../shell-quote';
import {
  STAGER_PLAN,
  STAGER_VERSION,
  type StagerFailure,
  type StagerIn,
  type StagerOut,
  type StagerPlan,
  stagerRequest,
} from '../stager-plan';
import type { JobReport } from './script-report';
import type { ScriptSettings, StagerSettings } from './script.settings';

/** `staging: worker`: what the stager beside the job is told, how it is started, and what its account means. Pure. */

function urlsOf({ inputs = [], outputs = [] }: TesTaskRequest): readonly string[] {
  const read = inputs.flatMap(({ url, content }) => (url === undefined || (content !== undefined && content !== '') ? [] : [url]));
  return [...read, ...outputs.map(({ url }) => url)];
}

/** Lines of the plan, and its one file with secrets; without files to move nothing is started. */
export function stagerPart(
  job: Job,
  settings: ScriptSettings,
  directory: string,
): { readonly lines: readonly string[]; readonly files: ReadonlyMap<string, string> } {
  const { stager } = settings;
  const isNeeded = (job.request.inputs ?? []).length + (job.request.outputs ?? []).length > 0;
  if (!stager || !isNeeded) return { lines: [assignment('STAGER', '')], files: new Map() };
  const schemes = new Set(urlsOf(job.request).map(schemeOf));
  const plan: StagerPlan = {
    version: STAGER_VERSION,
    request: stagerRequest(job.request),
    transfers: stager.transfers,
    retry: stager.retry,
    storage: stager.storage
      .filter((storage) => storage.schemes.some((scheme) => schemes.has(scheme)))
      .map(({ name, settings: slice }) => ({ name, settings: slice })),
  };
  return {
    lines: [assignment('STAGER', 1), `run_stager() {\nexec ${stagerCommand(job, stager, settings, directory)}\n}`],
    files: new Map([[STAGER_PLAN, JSON.stringify(plan)]]),
  };
}

function stagerCommand(job: Job, stager: StagerSettings, settings: ScriptSettings, directory: string): string {
  const words = [...stager.command, directory];
  if (stager.image === undefined) return quoteWords(words);
  const { engine } = RUNTIMES[settings.runtime];
  const mounts = [directory, ...stager.files].map((path) => `--volume=${path}:${path}`);
  const [program = '', ...rest] = words;
  return [
    quoteWords([
      settings.runtime,
      'run',
      '--rm',
      `--pull=${settings.images.pull}`,
      '--log-driver=none',
      `--name=${job.name}-stager`,
      `--label=${JOB_LABEL}=${job.name}`,
      `--label=${INSTANCE_LABEL}=${settings.instance}`,
      '--network=host',
      '--security-opt=label=disable',
      ...(engine?.options ?? []),
      ...mounts,
    ]),
    // Files must be the worker's user's own.
    engine?.asCaller ?? '',
    quoteWords([`--entrypoint=${program}`, stager.image, ...rest]),
  ].join(' ');
}

/** Why the stager cannot be used, from what its `--version` said; empty = it can. */
export function stagerFaults(said: string): readonly string[] {
  const version = /^tes-gateway-stager (\d+)\n/.exec(said)?.[1];
  if (version === String(STAGER_VERSION)) return [];
  if (version !== undefined)
    return [`its stager is of version ${version}, this gateway needs ${STAGER_VERSION}: install the gateway's own`];
  const line = said.trim().split('\n')[0] ?? '';
  return [`its stager does not start: ${line === '' ? 'no answer' : line.slice(0, 300)}`];
}

/** Public sentences for URLs that a worker cannot reach; the rest is found out where it is tried. */
export function unreachable(request: TesTaskRequest, stager: StagerSettings): readonly string[] {
  const reasons = urlsOf(request).map((url) => {
    const scheme = schemeOf(url);
    if (!stager.storage.some(({ schemes }) => scheme !== undefined && schemes.includes(scheme)))
      return `the worker's stager moves nothing to or from ${scheme ?? 'such'} URLs`;
    if (scheme !== 'file') return undefined;
    const path = filePathOf(url);
    if (path !== undefined && stager.files.some((directory) => isWithin(path, segmentsOf(directory)))) return undefined;
    const shown = path === undefined ? url : pathOf(path);
    return `${shown} would be a file of the worker, which the setting stager_files does not open`;
  });
  return [...new Set(reasons.filter((reason) => reason !== undefined))];
}

function filePathOf(url: string): readonly string[] | undefined {
  if (url.startsWith('/')) return segmentsOf(url);
  const [, path = ''] = /^file:(?:\/\/[^/]*)?(\/[^?#]*)/i.exec(url) ?? [];
  try {
    return path === '' ? undefined : segmentsOf(decodeURIComponent(path));
  } catch {
    return undefined;
  }
}

/** Adds to the observation of an ended job what its stager said; only that makes stored outputs of it. */
export function withStaging(observation: Observation, report: JobReport, directory: string): Observation {
  if (!report.progress.notes.some((note) => note.word === 'stager')) return observation;
  const ins = said<StagerIn>(report, 'in');
  const failure = said<StagerFailure>(report, 'failed') ?? gone(report, directory);
  if (!ins) {
    if (!observation.systemError) return observation;
    const { message, retryable, away } = failure;
    return { ...observation, systemError: { message, retryable, ...(away && { storage: away }) } };
  }
  const staged: Observation = {
    ...observation,
    inputTypes: ins.inputTypes,
    systemLogs: [...observation.systemLogs, ...ins.systemLogs, ...counted('fetched', ins)],
  };
  if (observation.systemError || (observation.phase !== 'succeeded' && observation.phase !== 'failed')) return staged;
  const outs = said<StagerOut>(report, 'out');
  if (outs) {
    const systemLogs = [...staged.systemLogs, ...outs.systemLogs, ...counted('stored', outs)];
    return { ...staged, outputs: outs.outputs, outputTypes: outs.outputTypes, systemLogs };
  }
  // The executors' own failure is the result; that their outputs could not all be stored is said beside it.
  if (observation.phase === 'failed') return { ...staged, outputs: [], systemLogs: [...staged.systemLogs, failure.message] };
  return { ...staged, phase: 'failed', systemError: { message: failure.message, retryable: failure.retryable } };
}

function counted(what: string, { files, bytes, ms }: StagerIn | StagerOut): readonly string[] {
  const seconds = (ms / 1000).toFixed(1);
  return files === 0 ? [] : [`${what} by the worker: ${files} ${files === 1 ? 'file' : 'files'}, ${bytes} bytes in ${seconds} s`];
}

/** It ended without a word of its own: its shell or its runtime may have had one. */
function gone(report: JobReport, directory: string): StagerFailure {
  const last = report.tails.get('stager.log')?.bytes.toString('utf8').trim().split('\n').at(-1) ?? '';
  const detail = last === '' ? '' : `: ${last.replaceAll(directory, '(workspace)').slice(0, 300)}`;
  const when = report.tails.has('stager.in') ? 'before the outputs were stored' : 'before the inputs were there';
  return { message: `the stager on the worker ended ${when}${detail}`, retryable: true };
}

function said<Said>(report: JobReport, word: 'in' | 'out' | 'failed'): Said | undefined {
  const bytes = report.tails.get(`stager.${word}`)?.bytes;
  try {
    return bytes && (JSON.parse(bytes.toString('utf8')) as Said);
  } catch {
    return undefined;
  }
}
