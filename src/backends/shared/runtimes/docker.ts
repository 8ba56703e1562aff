import type { ContainerDialect } from './containers';

export const DOCKER: ContainerDialect = {
  engine: 'docker',
  options: [],
  logOptions: () => ['--log-driver=none'],
  gpuOptions: (gpus) => [`--gpus=${gpus}`],
};
