import { BUBBLEWRAP_ABILITIES } from './bubblewrap';
import type { RuntimeAbilities, RuntimeName } from './runtime';

const CONTAINERS: Omit<RuntimeAbilities, 'runtime' | 'gpus'> = {
  image: 'used',
  network: "default: the engine's own; host and none: enforced",
  user: "the image's; files are handed back to the gateway's user",
  memory: 'enforced',
  cpus: 'enforced',
  pids: 'enforced',
  wallClock: 'enforced',
  disk: 'not enforced',
};

/** What each runtime can do: the table of the README and the source of `capabilities().notes`. */
export const RUNTIME_ABILITIES: Readonly<Record<RuntimeName, RuntimeAbilities>> = {
  docker: { runtime: 'docker', gpus: '`gpus` -> --gpus', ...CONTAINERS },
  podman: { runtime: 'podman', gpus: '`gpus` -> --device nvidia.com/gpu (CDI)', ...CONTAINERS },
  apptainer: {
    runtime: 'apptainer',
    image: 'used; its USER, WORKDIR and ENTRYPOINT are not',
    network: "default and host: the machine's; none: enforced as root",
    user: "the gateway's",
    gpus: '`gpus` -> --nv',
    memory: 'enforced as root, else not',
    cpus: 'enforced as root, else not',
    pids: 'enforced as root, else not',
    wallClock: 'enforced',
    disk: 'not enforced',
  },
  bubblewrap: BUBBLEWRAP_ABILITIES,
};

/** Lines for the log at start and for `capabilities`. */
export function abilityNotes(runtime: RuntimeName): readonly string[] {
  const { runtime: name, ...abilities } = RUNTIME_ABILITIES[runtime];
  const words = {
    wallClock: 'time limit',
    ...Object.fromEntries([
      ['cpus', 'CPU limit'],
      ['memory', 'memory limit'],
      ['pids', 'process limit'],
      ['disk', 'disk limit'],
    ]),
  };
  return Object.entries(abilities).map(([key, value]) => `${name}, ${(words as Readonly<Record<string, string>>)[key] ?? key}: ${value}`);
}
