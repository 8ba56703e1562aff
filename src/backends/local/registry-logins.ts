import { promises as fs } from 'node:fs';
import type { ImageSettings } from '../../ports/adapter';
import type { CredentialsOfOwners, Login } from '../../ports/credentials';
import { BackendError } from '../../ports/errors';
import { isObject } from '../../task/plain-object';
import type { Owner } from '../../task/owner';
import { wholeImageName } from '../shared/runtimes/image-name';
import type { ImageSource } from '../shared/runtimes/runtime';

/** In `plan/`; the name by which docker finds it. */
export const LOGINS_FILE = 'config.json';
/** By which docker knows its Hub. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

export interface ImagesOfJob {
  readonly images: readonly ImageSource[];
  /** Text of LOGINS_FILE; absent = the owner has no login for any of these images. */
  readonly logins?: string;
}

/**
 * The images of a job, those marked for whose registries its owner has a login, and these logins in the format of `docker login`, which podman
 * and apptainer read as well: beside the operator's own, and before them. Throws CredentialError, StoreError and BackendError.
 */
export async function withLogins(
  owner: Owner,
  images: readonly ImageSource[],
  loginsOf: CredentialsOfOwners['logins'] | undefined,
  { authFile }: Pick<ImageSettings, 'authFile'>,
): Promise<ImagesOfJob> {
  const hosts = new Set(images.flatMap((image) => hostOf(image) ?? []));
  if (!loginsOf || hosts.size === 0) return { images };
  const logins = await loginsOf(owner, [...hosts]);
  if (logins.size === 0) return { images };
  return {
    images: images.map((image) => (image.kind === 'registry' && logins.has(hostOf(image) ?? '') ? { ...image, login: true } : image)),
    logins: JSON.stringify(merged(await operatorsOwn(authFile), logins)),
  };
}

/** Of an image that may be fetched. */
function hostOf(image: ImageSource): string | undefined {
  if (image.kind !== 'registry' || image.pull === 'never') return undefined;
  const [host = ''] = wholeImageName(image.reference).split('/');
  return host.toLowerCase();
}

interface LoginFile {
  readonly auths: Readonly<Record<string, unknown>>;
  readonly credHelpers: Readonly<Record<string, unknown>>;
}

/**
 * The operator's for a part of the host would count before the login of the owner, as would a helper for it; and a helper for all hosts before all
 * logins of the file.
 */
function merged({ auths, credHelpers }: LoginFile, logins: ReadonlyMap<string, Login>): LoginFile {
  const own = [...logins].flatMap(([host, { username, password }]) => {
    const entry = { auth: Buffer.from(`${username}:${password}`).toString('base64') };
    return host === 'docker.io' ? [[host, entry] as const, [DOCKER_HUB, entry] as const] : [[host, entry] as const];
  });
  const names = own.map(([name]) => name);
  const without = (all: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
    Object.fromEntries(Object.entries(all).filter(([key]) => !names.some((name) => key === name || key.startsWith(`${name}/`))));
  return { auths: { ...without(auths), ...Object.fromEntries(own) }, credHelpers: without(credHelpers) };
}

async function operatorsOwn(path: string | undefined): Promise<LoginFile> {
  const none: LoginFile = { auths: {}, credHelpers: {} };
  if (path === undefined) return none;
  try {
    const { auths = {}, credHelpers = {} } = JSON.parse(await fs.readFile(path, 'utf8')) as Partial<LoginFile>;
    if (isObject(auths) && isObject(credHelpers)) return { auths, credHelpers };
  } catch {
    // What JSON.parse says holds words of the file.
  }
  throw new BackendError('the registry logins of this server cannot be read', {
    retryable: true,
    internal: `${path} (setting images.auth_file) cannot be read as what docker login writes`,
  });
}
