import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isOrHasBelow } from '../../../task/folders';
import { folderOf, pathOf, type Segments, segmentsOf } from '../../../task/container-path';
import type { MountPlan } from '../mount-plan';

/** One entry of a directory of this machine. */
export interface HostEntry {
  readonly name: string;
  readonly kind: 'directory' | 'file' | 'link';
  readonly target?: string;
}
/** Reads a directory; empty when it is not there. */
export type ReadDirectory = (path: string) => readonly HostEntry[];

/** Programs and libraries of this machine that a bubblewrap job sees, read-only. Not /home, /root, /var, /opt, /srv. */
export const HOST_DIRECTORIES = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'] as const;
/** Of /etc only a copy, and of that only what programs need to start, to find names and to check certificates, as far as everybody may read it. */
export const HOST_ETC = [
  'alternatives',
  'ca-certificates',
  'group',
  'host.conf',
  'hosts',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'passwd',
  'pki',
  'protocols',
  'resolv.conf',
  'services',
  'ssl',
  'timezone',
] as const;

/** Of those, the ones that change while a machine works: jobs see them as they are. */
export const LIVE_ETC: ReadonlySet<string> = new Set(['hosts', 'resolv.conf']);

/** With root's uid these can be written without any capability, and mean the whole machine. */
const KERNEL_SETTINGS = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs', 'acpi', 'scsi', 'mtrr', 'driver'];
/** And these read. */
const KERNEL_SECRETS = ['kcore', 'keys', 'timer_list'];

/** What of the machine itself a job sees in other ways than by its directories; absolute paths there. */
export interface HostView {
  /** The copy of `HOST_ETC`. */
  readonly etcCopy: string;
  /** The list that `list_closed` (closed.sh) makes, for root. */
  readonly closedList: string;
  /** The gateway keeps both; else the job makes them itself. */
  readonly isKept: boolean;
}

export interface HostRoot {
  /** bwrap options that hide the kernel's secrets; after /proc is mounted. */
  readonly masks: readonly string[];
  /** bwrap options, in order. */
  readonly options: readonly string[];
  /** Names directly below `/` of the container that are ours, not the job's. */
  readonly skeleton: readonly string[];
  /** Placeholders inside trees, `tree/name`, that mounts leave behind. */
  readonly placeholders: readonly string[];
  /** Directories of this machine of which all or some is shown, links aside: what others may not read there is to be hidden from root (closed.sh). */
  readonly machine: readonly string[];
  /** What of them is not shown, because the job has something of its own there. */
  readonly covered: readonly string[];
  /** Those in which a tree lies, or a directory with a tree; and the trees themselves. */
  readonly opened: readonly string[];
}

/**
 * A fresh `/` for each executor: the workspace's tree of `/` is writable, this machine's programs are mounted into it read-only,
 * and the trees at their places. Where a tree belongs inside one of the machine's directories (`/usr/local/results`), the
 * directories above it are built from their entries, so that nothing of the machine is hidden and nothing of it can be written.
 * /etc is built in the same way from a copy.
 */
export function hostRoot(
  plan: MountPlan,
  trees: string,
  readHost: ReadDirectory,
  readTree: (tree: string) => ReadonlySet<string>,
  /** A copy of `HOST_ETC` with empty files for `LIVE_ETC`; read with `readHost`. */
  etcCopy: string,
): HostRoot {
  const options: string[] = [];
  const covered: string[] = [];
  const skeleton = new Set(['proc', 'dev', 'usr', 'etc', 'run', 'var']);
  const placeholders: string[] = [];
  const top = new Map(readHost('/').map((entry) => [entry.name, entry]));

  /** `/bin/x` is `/usr/bin/x` where /bin is a link. */
  const canonical = (segments: Segments): Segments => {
    const entry = top.get(segments[0] ?? '');
    const shared = HOST_DIRECTORIES.some((name) => name === segments[0]);
    return shared && entry?.kind === 'link' ? [...segmentsOf(`/${entry.target ?? ''}`), ...segments.slice(1)] : segments;
  };
  const roots = plan.roots.map((root) => {
    const segments = canonical(root.segments);
    return { tree: root.tree, segments, path: pathOf(segments) };
  });
  // Where /bin is a link, `/bin/x` and `/usr/bin/x` are one.
  const byPath = new Map([...roots].reverse().map((root) => [root.path, root]));
  const folders = roots.map(({ segments }) => folderOf(segments)).sort();
  const isAbove = (segments: Segments) => isOrHasBelow(folders, folderOf(segments));
  const bound = new Set<string>();
  const bind = ({ tree, path }: { readonly tree: string; readonly path: string }): void => {
    options.push('--bind', `${trees}/${tree}`, path);
    bound.add(path);
  };

  const sourceOf = ([first, ...rest]: Segments): string => {
    const isCopied = first === 'etc' && !(rest.length === 1 && LIVE_ETC.has(rest[0] ?? ''));
    return isCopied ? [etcCopy, ...rest].join('/') : pathOf([first ?? '', ...rest]);
  };
  const show = (segments: Segments, entry: HostEntry): void => {
    const path = pathOf(segments);
    if (entry.kind === 'link') options.push('--symlink', entry.target ?? '', path);
    else options.push('--ro-bind-try', sourceOf(segments), path);
  };
  const build = (segments: Segments): void => {
    const path = pathOf(segments);
    const root = byPath.get(path);
    if (root) {
      bind(root);
      const present = readTree(root.tree);
      for (const child of readHost(sourceOf(segments))) {
        if (present.has(child.name)) {
          covered.push(pathOf([...segments, child.name]));
          continue;
        }
        placeholders.push(`${root.tree}/${child.name}`);
        show([...segments, child.name], child);
      }
      return;
    }
    options.push('--dir', path);
    for (const child of readHost(sourceOf(segments))) {
      const below = [...segments, child.name];
      if (isAbove(below) && child.kind === 'directory') build(below);
      else if (isAbove(below)) covered.push(pathOf(below));
      else show(below, child);
    }
  };

  for (const name of HOST_DIRECTORIES) {
    const entry = top.get(name);
    if (!entry) continue;
    skeleton.add(name);
    if (isAbove([name]) && entry.kind === 'directory') build([name]);
    else show([name], entry);
  }
  if (isAbove(['etc'])) build(['etc']);
  else {
    options.push('--ro-bind', etcCopy, '/etc');
    for (const name of LIVE_ETC) show(['etc', name], { name, kind: 'file' });
  }
  for (const root of roots) {
    if (!bound.has(root.path)) bind(root);
    if (root.segments[0] !== undefined) skeleton.add(root.segments[0]);
  }
  return {
    masks: kernelPaths().flatMap(({ path, masked }) => (masked ? ['--ro-bind', '/dev/null', path] : [])),
    options,
    skeleton: [...skeleton],
    placeholders,
    machine: HOST_DIRECTORIES.filter((name) => top.get(name)?.kind === 'directory').map((name) => `/${name}`),
    covered,
    opened: [...new Set(roots.flatMap(({ segments }) => segments.map((_segment, index) => pathOf(segments.slice(0, index + 1)))))],
  };
}

/** Reads this machine. Asked once for each directory that a tree lies in, and for `/`. */
export const readHostDirectory: ReadDirectory = (path) => {
  try {
    return readdirSync(path, { withFileTypes: true }).map((entry) => {
      if (entry.isSymbolicLink()) return { name: entry.name, kind: 'link', target: readlinkSync(join(path, entry.name)) };
      return { name: entry.name, kind: entry.isDirectory() ? 'directory' : 'file' };
    });
  } catch {
    return [];
  }
};

let kernel: readonly { readonly path: string; readonly masked: boolean }[] | undefined;

/** What is taken away from a job that has root's uid but no image engine to do it. What /proc holds does not change while the machine runs. */
export function kernelPaths(): readonly { readonly path: string; readonly masked: boolean }[] {
  kernel ??= [
    ...KERNEL_SETTINGS.map((name) => ({ path: `/proc/${name}`, masked: false })),
    ...KERNEL_SECRETS.map((name) => ({ path: `/proc/${name}`, masked: true })),
  ].filter(({ path }) => existsSync(path));
  return kernel;
}
