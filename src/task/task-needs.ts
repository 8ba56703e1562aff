import { ambiguousParameters, backendParameter, parameterKeys } from './backend-parameters';
import type { Problem } from './problem';
import { ALL_GPUS } from './amounts';
import type { TaskNeeds } from './task-record';
import type { TesTaskRequest } from './tes';
import { wishedLabels } from './placement';
import { urlFolders } from './url-folders';

/** What a task that does not say is charged and allowed. */
export interface NeedsDefaults {
  readonly cpuCores: number;
  readonly ramGb: number;
  /** Wall-clock limit in seconds: for a task that names none, and the most a task may name. */
  readonly maxRuntimeSeconds: { readonly default: number; readonly max: number };
  /** The most that a task may name for one transfer of its inputs or outputs, seconds. */
  readonly maxTransferSeconds: number;
}

export interface NeedsResult {
  readonly needs: TaskNeeds;
  /** Lines for `system_logs`: what was changed without refusing the task. */
  readonly warnings: readonly string[];
  /** Reasons to answer 400; `needs` is of no use then. */
  readonly problems: readonly Problem[];
}

const PARAMETERS = '$.resources.backend_parameters';

/**
 * What the scheduler must know of a request. A resource that is absent or 0 (some clients write "not given" so) takes the default.
 * `max_runtime_seconds` above the maximum is lowered to it, with a warning.
 */
export function taskNeeds(request: TesTaskRequest, defaults: NeedsDefaults): NeedsResult {
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const resources = request.resources ?? {};
  const parameters = resources.backend_parameters;

  const amount = (key: 'cpu_cores' | 'ram_gb' | 'disk_gb'): number | undefined => {
    const value = resources[key];
    if (value === undefined || value === 0) return undefined;
    if (Number.isFinite(value) && value > 0) return value;
    problems.push({ path: `$.resources.${key}`, message: 'must be a number greater than 0' });
    return undefined;
  };
  const cpuCores = amount('cpu_cores') ?? defaults.cpuCores;
  const ramGb = amount('ram_gb') ?? defaults.ramGb;
  const diskGb = amount('disk_gb');

  for (const key of ambiguousParameters(parameters)) {
    problems.push({
      path: PARAMETERS,
      message: `holds ${JSON.stringify(key)} more than once with different values (keys are case-insensitive)`,
    });
  }
  const seconds = (key: string, most: number): number | undefined =>
    secondsOf(key, backendParameter(parameters, key), most, warnings, problems);
  const { maxRuntimeSeconds: runtime } = defaults;
  const maxRuntimeSeconds = seconds('max_runtime_seconds', runtime.max) ?? Math.min(runtime.default, runtime.max);
  const maxTransferSeconds = seconds('max_transfer_seconds', defaults.maxTransferSeconds);
  const backend = backendParameter(parameters, 'backend');
  const gpus = gpusOf(backendParameter(parameters, 'gpus'));
  const labels = wishedLabels(parameters);
  const folders = urlFolders([...(request.inputs ?? []), ...(request.outputs ?? [])]);

  const needs: TaskNeeds = {
    cpuCores,
    ramGb,
    ...(diskGb !== undefined && { diskGb }),
    ...(gpus !== undefined && { gpus }),
    ...(backend !== undefined && { backend }),
    ...(folders.length > 0 && { folders }),
    ...(labels !== undefined && { labels }),
    parameterKeys: parameterKeys(parameters),
    strict: resources.backend_parameters_strict ?? false,
    maxRuntimeSeconds,
    ...(maxTransferSeconds !== undefined && { maxTransferSeconds }),
    hasInputs: (request.inputs?.length ?? 0) > 0,
    hasOutputs: (request.outputs?.length ?? 0) > 0,
    executorCount: request.executors.length,
  };
  return { needs, warnings, problems };
}

/** What is no number of GPUs a backend refuses. */
function gpusOf(text: string | undefined): number | undefined {
  if (text === 'all') return ALL_GPUS;
  return text !== undefined && /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : undefined;
}

/** `undefined` when the task names none. */
function secondsOf(key: string, text: string | undefined, most: number, warnings: string[], problems: Problem[]): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(text) || Number(text) === 0) {
    problems.push({ path: `${PARAMETERS}.${key}`, message: 'must be a whole number of seconds greater than 0' });
    return undefined;
  }
  const seconds = Number(text);
  if (seconds <= most) return seconds;
  warnings.push(`${key} ${seconds} is more than this server allows; ${most} is used`);
  return most;
}
