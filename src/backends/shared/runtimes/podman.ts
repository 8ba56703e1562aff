import type { ContainerDialect } from './containers';

export const PODMAN: ContainerDialect = {
  engine: 'podman',
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
