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

/** docker brings an init of its own, which its daemon knows; podman takes any file of its machine. */
export type Init = 'own' | (typeof INIT_PATHS)[number];

export function initOptions(init: Init | undefined): readonly string[] {
  if (init === undefined) return [];
  return init === 'own' ? ['--init'] : ['--init', `--init-path=${init}`];
}
