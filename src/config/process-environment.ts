import { ENVIRONMENT_PREFIX } from './setting-sources';

/** The environment of this process as the settings read it. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** The same for the programs that this process starts (`DOCKER_HOST`, `PATH`, proxies): without the gateway's own settings, secrets among them. */
export function programEnvironment(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || name.startsWith(ENVIRONMENT_PREFIX) ? [] : [[name, value]],
    ),
  );
}
