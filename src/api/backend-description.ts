import type { ExecutionBackend } from '../ports/execution-backend';

/** One entry of `/ext/v1/backends`: what a client or an operator may want to know of a backend. */
export interface BackendDescription {
  readonly name: string;
  /** True when it takes no new tasks. */
  readonly draining: boolean;
  /** Where inputs and outputs are moved: by the gateway or next to the job. */
  readonly staging: 'gateway' | 'worker';
  readonly cpu_cores: number;
  readonly ram_gb: number;
  readonly backend_parameters: readonly string[];
  /** What it enforces and what it cannot. */
  readonly notes: readonly string[];
}

export function describeBackend(backend: ExecutionBackend): BackendDescription {
  const { draining, staging, capacity, parameterKeys, notes } = backend.capabilities();
  const { cpuCores, ramGb } = capacity;
  return { name: backend.name, draining, staging, cpu_cores: cpuCores, ram_gb: ramGb, backend_parameters: parameterKeys, notes };
}
