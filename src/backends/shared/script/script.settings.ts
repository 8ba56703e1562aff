import type { ImageSettings, JobSettings, LogLevel } from '../../../ports/adapter';
import type { NetworkName, RuntimeName } from '../runtimes/runtime';
import type { StagerPlan, StagerStorage } from '../stager-plan';

/** `staging: worker`. */
export interface StagerSettings {
  /** The words that start the stager: on the worker, or in the container of `image`. */
  readonly command: readonly string[];
  readonly image?: string;
  /** Absolute directories of the worker that `file:` URLs may reach. */
  readonly files: readonly string[];
  readonly transfers: StagerPlan['transfers'];
  readonly retry: StagerPlan['retry'];
  /** Every storage that a worker can be given; a job's plan holds those that its URLs need. */
  readonly storage: readonly StagerStorage[];
}

/** What every backend whose jobs are the job script needs to know. Frozen; made by the composition root. */
export interface MachineSettings extends Pick<JobSettings, 'killGraceSeconds' | 'pidsLimit' | 'capabilities'> {
  readonly name: string;
  readonly network: NetworkName;
  /** Jobs at once; absent = as many as fit. */
  readonly slots?: number;
  /** Cores and memory (2^30 bytes) to give away; absent = what the machine has. */
  readonly cpus?: number;
  readonly ramGb?: number;
  /** Disk (2^30 bytes) and GPUs to give away; absent = they are not counted. */
  readonly diskGb?: number;
  readonly gpus?: number;
  readonly drain: boolean;
  /** Stable name of this gateway process: whose left-over jobs the sweep may end. */
  readonly instance: string;
  readonly images: ImageSettings;
  readonly log: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Besides, for jobs on a worker. */
export interface ScriptSettings extends MachineSettings {
  readonly runtime: RuntimeName;
  readonly slots: number;
  /** Variables of the container command on the worker (never of an executor), such as `CONTAINERS_CONF`. */
  readonly environment: Readonly<Record<string, string>>;
  /** The data is moved by the worker itself; absent = through the gateway. */
  readonly stager?: StagerSettings;
}
