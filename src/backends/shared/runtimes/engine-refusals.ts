import type { TesTaskRequest } from '../../../task/tes';
import type { JobDirectories } from '../job-paths';
import { variableWay } from './client-variables';
import { gpusRefusals } from './gpus';

/** `Runtime.refusals` of docker and podman. */
export function engineRefusals(engine: 'docker' | 'podman', request: TesTaskRequest, directories: JobDirectories): readonly string[] {
  return [...gpusRefusals(request), ...unspeakableToEngine(engine, request), ...unmountable(directories)];
}

/** What no way holds (see `variableWay`). */
function unspeakableToEngine(engine: 'docker' | 'podman', request: TesTaskRequest): readonly string[] {
  return request.executors.flatMap((executor, index) =>
    Object.entries(executor.env ?? {})
      .filter(([name, value]) => variableWay(engine, name, value) === undefined)
      .map(([name]) => `$.executors[${index}].env: ${engine} cannot pass this variable exactly: ${JSON.stringify(name)}`),
  );
}

/** docker and podman read a mount as a line of CSV, in which the CR of a CR LF is lost: the directory would be another one. */
function unmountable({ directories }: JobDirectories): readonly string[] {
  return [...directories]
    .filter((folder) => folder.includes('\r\n'))
    .map((folder) => `${JSON.stringify(folder.slice(0, -1))} holds CR LF and cannot be mounted exactly`);
}
