/**
 * Programs made to be the first process of a container: they hand signals on and reap orphans. Where engines and distributions put them;
 * those first that end with 127 and 126, as shells do, where the program is missing or cannot be executed. All are linked statically.
 */
export const INIT_PATHS = [
  '/usr/bin/docker-init',
  '/usr/libexec/docker/docker-init',
  '/usr/bin/tini-static',
  '/usr/libexec/podman/catatonit',
  '/usr/lib/podman/catatonit',
  '/usr/libexec/catatonit/catatonit',
  '/usr/bin/catatonit',
] as const;

/** What docker says of its own init when it has none that works (`docker info --format INIT_OF_DOCKER`). */
export const INIT_OF_DOCKER = '{{.InitCommit.ID}}';
const NONE_IN_DOCKER = 'N/A';

/** docker brings an init of its own, which its daemon knows; podman takes any file of its machine. */
export type Init = 'own' | (typeof INIT_PATHS)[number];

/** From the answer of `docker info`: an empty one is that of an init without a version. */
export const initOfDocker = (answer: string): Init | undefined => (answer.trim() === NONE_IN_DOCKER ? undefined : 'own');

export const initOfPodman = (path: string): Init | undefined => INIT_PATHS.find((known) => known === path);

export function initOptions(init: Init | undefined): readonly string[] {
  if (init === undefined) return [];
  return init === 'own' ? ['--init'] : ['--init', `--init-path=${init}`];
}
