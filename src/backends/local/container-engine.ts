import type { RuntimeName } from '../shared/runtimes/runtime';

/** The few things the gateway itself asks of docker or podman; everything else is in the job script. */
export interface ContainerEngine {
  readonly runtime: RuntimeName;
  /** Removes all containers of a job, running or not. Throws when that is not known. */
  removeJob(jobName: string, signal: AbortSignal): Promise<void>;
  /** Takes one name from an image, and removes the image with its last. False while a container needs it. Throws when that is not known. */
  removeImage(name: string, signal: AbortSignal): Promise<boolean>;
  /** Names of all jobs of this gateway that have a container, with the age in ms of the youngest. */
  jobNames(signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
}
