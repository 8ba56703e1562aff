import type { Problem } from './problem';
import type { TesTaskRequest } from './tes';

/** How many of each a task may have (settings `limits.max_*`): what a create, a plan and a record cost grows with them. */
export interface CountLimits {
  readonly inputsAndOutputs: number;
  readonly executors: number;
  readonly volumes: number;
  readonly tags: number;
  readonly backendParameters: number;
}

/** What a request has too many of; to be asked before anything else, for it costs next to nothing. */
export function checkCounts(request: TesTaskRequest, limits: CountLimits): Problem[] {
  const { inputs = [], outputs = [], executors, volumes = [], tags = {}, resources } = request;
  const counted = [
    ['$', 'inputs and outputs together', inputs.length + outputs.length, limits.inputsAndOutputs, 'max_inputs_and_outputs'],
    ['$.executors', 'executors', executors.length, limits.executors, 'max_executors'],
    ['$.volumes', 'volumes', volumes.length, limits.volumes, 'max_volumes'],
    ['$.tags', 'tags', Object.keys(tags).length, limits.tags, 'max_tags'],
    [
      '$.resources.backend_parameters',
      'backend parameters',
      Object.keys(resources?.backend_parameters ?? {}).length,
      limits.backendParameters,
      'max_backend_parameters',
    ],
  ] as const;
  return counted
    .filter(([, , count, most]) => count > most)
    .map(([path, words, count, most, setting]) => ({
      path,
      message: `holds ${count} ${words}, more than the ${most} that this server takes (setting limits.${setting})`,
    }));
}
