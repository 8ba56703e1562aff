import type { ExecutionBackend } from '../ports/execution-backend';
import { labelKeys, type Placement } from '../task/placement';

/** One entry of `/ext/v1/backends`: what a client or an operator may want to know of a backend. */
export interface BackendDescription {
  readonly name: string;
  /** True when it takes no new tasks. */
  readonly draining: boolean;
  /** Where inputs and outputs are moved: by the gateway or next to the job. */
  readonly staging: 'gateway' | 'worker';
  /** Absent = unlimited, as the two below. */
  readonly cpu_cores?: number;
  readonly ram_gb?: number;
  /** At once. */
  readonly slots?: number;
  /** Words to choose it by: `"backend_parameters": {"label.NAME": "VALUE"}`. */
  readonly labels: Readonly<Record<string, string>>;
  /** Only tasks all of whose URLs lie below these go there; absent = all. */
  readonly url_prefixes?: readonly string[];
  readonly backend_parameters: readonly string[];
  /** What it enforces and what it cannot. */
  readonly notes: readonly string[];
}

export function describeBackend(backend: ExecutionBackend, placement: Placement): BackendDescription {
  const { draining, staging, capacity, parameterKeys, notes } = backend.capabilities();
  const { cpuCores, ramGb, slots } = capacity;
  const { labels, urlPrefixes } = placement;
  return {
    name: backend.name,
    draining,
    staging,
    ...(cpuCores !== undefined && { cpu_cores: cpuCores }),
    ...(ramGb !== undefined && { ram_gb: ramGb }),
    ...(slots !== undefined && { slots }),
    labels,
    ...(urlPrefixes !== undefined && { url_prefixes: urlPrefixes }),
    backend_parameters: [...parameterKeys, ...labelKeys(placement)],
    notes,
  };
}
