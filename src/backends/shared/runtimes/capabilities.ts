import { BUBBLEWRAP_ABILITIES } from './bubblewrap';
import type { RuntimeAbilities, RuntimeName } from './runtime';

const BY_ENGINE = 'by the engine, as far as it can on its machine';
const CONTAINERS: Omit<RuntimeAbilities, 'runtime' | 'gpus' | 'variables'> = {
  image: 'used',
  network: "default: the engine's own; host and none: enforced",
  user: "the image's; outputs belong to the gateway's user",
  memory: BY_ENGINE,
  cpus: BY_ENGINE,
  pids: BY_ENGINE,
  wallClock: 'enforced',
  disk: 'not enforced',
};
const BY_CGROUPS = 'enforced as root where cgroups can be written, else not';

/** What each runtime can do: the table of the README and the source of `capabilities().notes`. */
export const RUNTIME_ABILITIES: Readonly<Record<RuntimeName, RuntimeAbilities>> = {
  docker: {
    runtime: 'docker',
    gpus: '`gpus` -> --gpus',
    variables: 'names without white space; a value of several lines not under a name that docker itself reads, such as PATH',
    ...CONTAINERS,
  },
  podman: {
    runtime: 'podman',
    gpus: '`gpus` -> --device nvidia.com/gpu (CDI)',
    variables: 'names of letters, digits and `_.-`, values without CR LF; one of several lines not under a name that podman itself reads',
    ...CONTAINERS,
  },
  apptainer: {
    runtime: 'apptainer',
    image: 'used; its USER, WORKDIR and ENTRYPOINT are not; a layer over it can be written where overlays work, else /tmp and the mounts',
    network: "default and host: the machine's; none: enforced as root, else refused",
    user: "the gateway's",
    variables: 'names that a shell can hold, values without CR LF and U+0080; LD_LIBRARY_PATH gets a directory of apptainer appended',
    gpus: '`gpus` -> --nv',
    memory: BY_CGROUPS,
    cpus: BY_CGROUPS,
    pids: BY_CGROUPS,
    wallClock: 'enforced',
    disk: 'not enforced',
  },
  bubblewrap: BUBBLEWRAP_ABILITIES,
};

const WORDS: Readonly<Record<string, string>> = {
  cpus: 'CPU limit',
  memory: 'memory limit',
  pids: 'process limit',
  wallClock: 'time limit',
  disk: 'disk limit',
};

/** Lines for the log at start and for `capabilities`. */
export function abilityNotes(
  runtime: RuntimeName,
  machine: { readonly name: string; readonly hasGroups: boolean; readonly engineLimits?: string | undefined },
): readonly string[] {
  const { runtime: name, ...abilities } = RUNTIME_ABILITIES[runtime];
  const notes = Object.entries(abilities).map(([key, value]) => `${name}, ${WORDS[key] ?? key}: ${value}`);
  // The others have engines, which limit what they run themselves.
  const hasEngine = runtime !== 'bubblewrap' && runtime !== 'apptainer';
  const ofGroups = machine.hasGroups ? 'enforced by cgroups' : 'cannot be enforced (needs root and writable cgroups)';
  const limits = hasEngine ? (machine.engineLimits ?? `${runtime} has not said whether it can enforce them`) : ofGroups;
  return [...notes, `${name}, limits of memory, CPU and processes on ${machine.name}: ${limits}`];
}
