import type { KnownBackend } from '../../engine/known-backends';
import type { Capacity } from '../../task/amounts';
import { labelKeys } from '../../task/placement';

/** Absent = unlimited. */
export interface AmountsDescription {
  readonly cpu_cores?: number;
  readonly ram_gb?: number;
  readonly disk_gb?: number;
  readonly gpus?: number;
  /** Jobs at once. */
  readonly slots?: number;
}

/** One entry of `/ext/v1/backends`: what a client or an operator may want to know of a backend. */
export interface BackendDescription extends AmountsDescription {
  readonly name: string;
  /** The gateways that have it, by name; what runs on a gateway's own machine is an entry for each. */
  readonly gateways: readonly string[];
  /** False while it does not answer. */
  readonly available: boolean;
  /** True when it takes no new tasks. */
  readonly draining: boolean;
  /** Where inputs and outputs are moved: by the gateway or next to the job. */
  readonly staging: 'gateway' | 'worker';
  /** What it may grow to; absent = it does not grow. */
  readonly at_most?: AmountsDescription;
  /** Words to choose it by: `"backend_parameters": {"label.NAME": "VALUE"}`. */
  readonly labels: Readonly<Record<string, string>>;
  /** Only tasks all of whose URLs lie below these go there; absent = all. */
  readonly url_prefixes?: readonly string[];
  readonly backend_parameters: readonly string[];
  /** What it enforces and what it cannot. */
  readonly notes: readonly string[];
}

export function describeBackend(backend: KnownBackend): BackendDescription {
  const { name, draining, staging, capacity, atMost, labels, urlPrefixes, parameterKeys, notes, gateways, isWell } = backend;
  return {
    name,
    gateways,
    available: isWell,
    draining,
    staging,
    ...describeAmounts(capacity),
    ...(atMost !== undefined && { at_most: describeAmounts(atMost) }),
    labels,
    ...(urlPrefixes !== undefined && { url_prefixes: urlPrefixes }),
    backend_parameters: [...parameterKeys, ...labelKeys({ labels })],
    notes,
  };
}

function describeAmounts({ cpuCores, ramGb, diskGb, gpus, slots }: Capacity): AmountsDescription {
  return {
    ...(cpuCores !== undefined && { cpu_cores: cpuCores }),
    ...(ramGb !== undefined && { ram_gb: ramGb }),
    ...(diskGb !== undefined && { disk_gb: diskGb }),
    ...(gpus !== undefined && { gpus }),
    ...(slots !== undefined && { slots }),
  };
}
