import { containerRuntime } from './container-runtime';
import type { ContainerDialect } from './containers';
import { limitsSaid } from './engine-limits';
import { INIT_PATHS } from './init';

export const PODMAN_DIALECT: ContainerDialect = {
  engine: 'podman',
  copiesForOthers: false,
  /** It hands the proxies of its own environment on otherwise. */
  options: ['--http-proxy=false'],
  /** See `complete_streams` in container-ends.sh. */
  logOptions: ({ executor, workspace, index }) =>
    executor.stdin === undefined ? ['--log-driver=none'] : ['--log-driver=k8s-file', `--log-opt=path=${workspace}/streams/${index}.log`],
  /** By the container device interface; `--gpus` does nothing in older versions. */
  gpuOptions: (gpus) => {
    if (gpus === 'all') return ['--device=nvidia.com/gpu=all'];
    return Array.from({ length: Number(gpus) }, (_, index) => `--device=nvidia.com/gpu=${index}`);
  },
};

export const PODMAN = containerRuntime(
  PODMAN_DIALECT,
  {
    versionFormat: '{{.Client.Version}}',
    limitsFormat: '{{.Host.CgroupControllers}}',
    limitsSaid(answer) {
      const words = answer.trim();
      const controllers = /^\[[a-z_ ]*\]$/.test(words) ? words.slice(1, -1).split(' ') : undefined;
      return limitsSaid('podman', (controller) => controllers?.includes(controller));
    },
    initOf: (path) => INIT_PATHS.find((known) => known === path),
    // With cgroups version 1 and no systemd.
    memoryGroup: { format: '{{.Host.CgroupManager}} {{.Host.CgroupsVersion}}', answer: 'cgroupfs v1' },
    watcher: 'conmon',
    // Its root is the user who started it.
    asCaller: '--user=0:0',
  },
  {
    gpus: '`gpus` -> --device nvidia.com/gpu (CDI)',
    variables: 'names of letters, digits and `_.-`, values without CR LF; one of several lines not under a name that podman itself reads',
  },
);
