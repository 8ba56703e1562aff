import type { ContainerDialect } from './containers';

export const DOCKER: ContainerDialect = {
  engine: 'docker',
  gpuOptions: (gpus) => [`--gpus=${gpus}`],
};
