import type { ContainerDialect } from './containers';

export const DOCKER: ContainerDialect = {
  engine: 'docker',
  options: [],
  gpuOptions: (gpus) => [`--gpus=${gpus}`],
};
