import { containerRuntime } from './container-runtime';
import type { ContainerDialect } from './containers';
import { limitsSaid } from './engine-limits';

export const DOCKER_DIALECT: ContainerDialect = {
  engine: 'docker',
  options: [],
  copiesForOthers: true,
  logOptions: () => ['--log-driver=none'],
  gpuOptions: (gpus) => [`--gpus=${gpus}`],
};

/** What it says of its own init when it has none that works. */
const NO_INIT = 'N/A';

export const DOCKER = containerRuntime(
  DOCKER_DIALECT,
  {
    versionFormat: '{{.Server.Version}}',
    limitsFormat: '{{.MemoryLimit}} {{.CPUCfsQuota}} {{.PidsLimit}}',
    limitsSaid(answer) {
      const words = answer.trim().split(' ');
      const isSaid = words.length === 3 && words.every((word) => word === 'true' || word === 'false');
      return limitsSaid('docker', (_controller, index) => (isSaid ? words[index] === 'true' : undefined));
    },
    initFormat: '{{.InitCommit.ID}}',
    // An empty answer is that of an init without a version.
    initOf: (said) => (said.trim() === NO_INIT ? undefined : 'own'),
    asCaller: '"--user=$(id -u):$(id -g)"',
  },
  {
    gpus: '`gpus` -> --gpus',
    variables: 'names without white space; a value of several lines not under a name that docker itself reads, such as PATH',
  },
);
