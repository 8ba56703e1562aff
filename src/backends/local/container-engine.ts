import type { RuntimeName } from '../shared/runtimes/runtime';

/** The few things the gateway itself asks of docker or podman; everything else is in the job script. */
export interface ContainerEngine {
  readonly runtime: RuntimeName;
  /** Removes all containers of a job, running or not. Throws when that is not known. */
  removeJob(jobName: string, signal: AbortSignal): Promise<void>;
  /** Names of all jobs of this gateway that have a container, with the age in ms of the youngest. */
  jobNames(signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
}
