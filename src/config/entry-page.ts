import type { Adapters, SettingsPage } from '../ports/adapter';

/** In every entry of `backends`. */
const COMMON_ENTRY = {
  name: {
    doc: "What clients send as `backend_parameters.backend`; the type's name when it is left out",
    format: 'name',
    default: undefined as string | undefined,
  },
  cpus: { doc: 'Cores to give away; all there are when left out', format: 'positive number', default: undefined as number | undefined },
  ram_gb: {
    doc: 'Memory to give away, in 2^30 bytes; all there is when left out',
    format: 'positive number',
    default: undefined as number | undefined,
  },
  disk_gb: {
    doc: 'Disk to give away to tasks that name `disk_gb`, in 2^30 bytes; not counted when left out',
    format: 'positive number',
    default: undefined as number | undefined,
  },
  gpus: {
    doc: 'GPUs to give away to tasks that name the backend parameter `gpus`; not counted when left out, `0` = none',
    format: 'count',
    default: undefined as number | undefined,
  },
  drain: { doc: 'No new tasks; those that are there go on', format: 'yes or no', default: false },
  labels: {
    doc: 'Words by which tasks choose it (below)',
    format: 'labels',
    default: undefined as Readonly<Record<string, string>> | undefined,
  },
  url_prefixes: {
    doc: 'Only tasks all of whose URLs lie below one of these go there (below); all when left out',
    format: 'list of URL prefixes',
    default: undefined as readonly string[] | undefined,
  },
};

/** In entries of backends whose jobs run on other machines, too. */
const REMOTE_ENTRY = {
  when_away: {
    doc: 'Its tasks `wait` while it is unreachable, however long, or `move` to another backend',
    format: ['wait', 'move'],
    default: 'wait' as 'wait' | 'move',
  },
  move_after_seconds: {
    doc: '`when_away: move`: after the backend has not answered for this long',
    format: 'positive number',
    default: 600,
  },
};

/** What an entry of `backends` of this type may say, in the order of the tables. */
export function entryPage({ isRemote, settings }: Adapters['backends'][number]): SettingsPage {
  return { ...COMMON_ENTRY, ...settings, ...(isRemote ? REMOTE_ENTRY : {}) };
}
