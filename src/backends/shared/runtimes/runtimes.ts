import { APPTAINER } from './apptainer';
import { BUBBLEWRAP } from './bubblewrap';
import { DOCKER } from './docker';
import { PODMAN } from './podman';
import type { Runtime } from './record';
import type { RuntimeName } from './runtime';

/** The only list of runtimes. `auto` takes the first that answers, of those that may be taken so. */
export const RUNTIMES: Readonly<Record<RuntimeName, Runtime>> = {
  docker: DOCKER,
  podman: PODMAN,
  apptainer: APPTAINER,
  bubblewrap: BUBBLEWRAP,
};

/** Of a job that another version may have started; `undefined` = this one does not know its runtime. */
export function runtimeOf(name: string): Runtime | undefined {
  return Object.values(RUNTIMES).find((runtime) => runtime.name === name);
}
