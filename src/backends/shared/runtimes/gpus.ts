import type { TesTaskRequest } from '../../../task/tes';

const GPUS = /^(all|[1-9][0-9]{0,2})$/;

function gpusParameter(request: TesTaskRequest): string | undefined {
  const entries = Object.entries(request.resources?.backend_parameters ?? {});
  return entries.find(([name]) => name.toLowerCase() === 'gpus')?.[1];
}

/** The backend parameter `gpus`: `all` or how many; anything else would be an option of the engine's own language. */
export function gpusOf(request: TesTaskRequest): string | undefined {
  const value = gpusParameter(request);
  return value !== undefined && GPUS.test(value) ? value : undefined;
}

export function gpusRefusals(request: TesTaskRequest): readonly string[] {
  const value = gpusParameter(request);
  return value === undefined || GPUS.test(value) ? [] : ['$.resources.backend_parameters.gpus: must be "all" or a number of 1 to 999'];
}
