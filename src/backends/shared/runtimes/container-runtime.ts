import { type ContainerDialect, containerLaunch, containerLines } from './containers';
import { engineRefusals } from './engine-refusals';
import type { EngineTraits, Runtime } from './record';
import type { RuntimeAbilities } from './runtime';

const BY_ENGINE = 'by the engine, as far as it can on its machine';

/** What docker and podman have in common as runtimes. */
export function containerRuntime(
  dialect: ContainerDialect,
  engine: Omit<EngineTraits, 'options'>,
  abilities: Pick<RuntimeAbilities, 'gpus' | 'variables'>,
): Runtime {
  const name = dialect.engine;
  return {
    name,
    abilities: {
      ...abilities,
      image: 'used',
      network: "default: the engine's own; host and none: enforced",
      user: "the image's; outputs belong to the gateway's user",
      memory: BY_ENGINE,
      cpus: BY_ENGINE,
      pids: BY_ENGINE,
      wallClock: 'enforced',
      disk: 'not enforced',
    },
    parameterKeys: ['gpus'],
    usesImages: true,
    isAutomatic: true,
    takesFilesOfWorkers: false,
    layersImages: false,
    showsHost: false,
    engine: { ...engine, options: dialect.options },
    versionCommand: [name, 'version', '--format', engine.versionFormat],
    scriptParts: ['image-files.sh', 'containers.sh', 'private-images.sh', 'container-ends.sh'],
    refusals: (request, directories) => engineRefusals(name, request, directories),
    launches: (contexts, plan, context) => ({
      launches: contexts.map((executor) => containerLaunch(dialect, executor, context)),
      lines: containerLines(dialect, contexts, plan, context),
    }),
  };
}
