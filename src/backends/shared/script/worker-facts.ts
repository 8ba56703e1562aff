import { HOST_DIRECTORIES, type HostEntry, type ReadDirectory } from '../runtimes/host-root';
import { parentGroup } from '../cgroup-rules';
import { type Init, INIT_PATHS } from '../runtimes/init';
import type { RuntimeName } from '../runtimes/runtime';
import { RUNTIMES } from '../runtimes/runtimes';
import { pathOf, type Segments, segmentsOf } from '../../../task/container-path';
import { mountPlan } from '../mount-plan';
import type { TesTaskRequest } from '../../../task/tes';

/** What the errand `probe` found out about the worker. */
export interface WorkerFacts {
  readonly asRoot: boolean;
  readonly cores: number;
  /** In 2^30 bytes. */
  readonly ramGb: number;
  readonly groups: 'none' | 'v1' | 'v2';
  /** podman with cgroups version 1 and no systemd does not say when memory ran out; a group of ours does. */
  readonly needsMemoryGroup: boolean;
  /** apptainer: a writable layer over an image works there. */
  readonly overlay: boolean;
  /** For containers. */
  readonly init?: Init;
  readonly selinux: boolean;
  /** docker and podman: what they say of the limits that they can enforce. */
  readonly engineLimits?: string;
  readonly version: string;
  /** Why no job can run there, in public words; empty = all is well. */
  readonly faults: readonly string[];
}

/** What `probe_machine` (probe.sh) is asked of a machine that is to run jobs under this runtime. */
export function probeWords(runtime: RuntimeName, instance: string): readonly string[] {
  const { engine, layersImages, versionCommand } = RUNTIMES[runtime];
  const formats = [engine?.limitsFormat, engine?.initFormat, engine?.memoryGroup?.format].map((format) => format ?? '');
  const inits = engine && engine.initFormat === undefined ? INIT_PATHS.join(' ') : '';
  return [parentGroup(instance), layersImages ? 'yes' : '', ...formats, inits, ...versionCommand];
}

export function parseProbe(text: string, runtime: RuntimeName, where: 'machine' | 'worker' = 'worker'): WorkerFacts {
  const lines = text.split('\n').map((line): readonly [string, string] => {
    const at = line.indexOf(' ');
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1).trim()];
  });
  const of = (word: string): string | undefined => lines.find(([key]) => key === word)?.[1];
  const name = where === 'worker' ? 'the worker' : 'this machine';
  const faults = lines.filter(([key]) => key === 'lacks').map(([, what]) => `${name} lacks ${what}`);
  const open = of('open');
  if (open !== undefined) {
    faults.push(
      `other users of the worker can enter ${open}, where secrets of tasks lie, and the jobs' own user cannot close it (chmod 700 it)`,
    );
  }
  const version = of('runtime');
  const { engine } = RUNTIMES[runtime];
  const manager = of('manager');
  // Of podman the version is that of its command: whether it works its `info` tells.
  const isMute = version === undefined || (engine?.memoryGroup !== undefined && manager === undefined);
  if (isMute) faults.push(`${runtime} does not work on ${name}: ${(of('fault') ?? 'no answer').slice(0, 300)}`);
  const groups = of('groups');
  const isRoot = of('uid') === '0';
  const said = of('init');
  const limits = engine?.limitsSaid(of('limits') ?? '');
  const init = said === undefined ? undefined : engine?.initOf(said);
  return {
    asRoot: isRoot,
    cores: Math.max(1, Number(of('cores') ?? 1) || 1),
    ramGb: (Number(of('memory') ?? 0) || 0) / 2 ** 20,
    groups: isRoot && (groups === 'v1' || groups === 'v2') ? groups : 'none',
    needsMemoryGroup: isRoot && groups === 'v1' && manager !== undefined && manager === engine?.memoryGroup?.answer,
    overlay: of('overlay') === 'yes',
    ...(init !== undefined && { init }),
    ...(limits !== undefined && { engineLimits: limits }),
    selinux: of('selinux') === 'yes',
    version: (version ?? '').slice(0, 100),
    faults,
  };
}

/** The worker's own directories, as the errand `entries` listed them: KIND PATH TARGET, each ended by NUL. */
export function parseEntries(text: string): ReadonlyMap<string, readonly HostEntry[]> {
  const directories = new Map<string, HostEntry[]>();
  const fields = text.split('\0');
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [kind = '', path = '', target = ''] = fields.slice(at, at + 3);
    const slash = path.lastIndexOf('/');
    const parent = slash <= 0 ? '/' : path.slice(0, slash);
    const entry: HostEntry = {
      name: path.slice(slash + 1),
      kind: kind === 'l' ? 'link' : kind === 'd' ? 'directory' : 'file',
      ...(kind === 'l' && { target }),
    };
    const entries = directories.get(parent);
    if (entries) entries.push(entry);
    else directories.set(parent, [entry]);
  }
  return directories;
}

export function readWorkerDirectory(directories: ReadonlyMap<string, readonly HostEntry[]>): ReadDirectory {
  return (path) => directories.get(path) ?? [];
}

/**
 * bubblewrap: a tree inside one of the worker's directories is mounted between that directory's own entries, which must be known.
 * Sentences for those that lie deeper than what was listed.
 */
export function tooDeep(request: TesTaskRequest, directories: ReadonlyMap<string, readonly HostEntry[]>): readonly string[] {
  const top = new Map(directories.get('/')?.map((entry) => [entry.name, entry]));
  const shared = new Set<string>(HOST_DIRECTORIES);
  const reasons: string[] = [];
  for (const root of mountPlan(request).roots) {
    const first = root.segments[0] ?? '';
    if (!shared.has(first)) continue;
    const entry = top.get(first);
    const segments: Segments =
      entry?.kind === 'link' ? [...segmentsOf(`/${entry.target ?? ''}`), ...root.segments.slice(1)] : root.segments;
    if (!isListed(segments, directories))
      reasons.push(`${root.path} lies too deep in a directory of the system for bubblewrap on a worker`);
  }
  return reasons;
}

function isListed(segments: Segments, directories: ReadonlyMap<string, readonly HostEntry[]>): boolean {
  for (let length = 1; length <= segments.length; length += 1) {
    const path = pathOf(segments.slice(0, length));
    if (directories.has(path)) continue;
    const parent = directories.get(pathOf(segments.slice(0, length - 1)));
    // What its parent does not hold has no entries that could be hidden; what it holds and nobody listed, may.
    return parent !== undefined && !parent.some((entry) => entry.name === segments[length - 1]);
  }
  return true;
}
