import { checkContainerPath } from './container-path';

/**
 * What an executor's `image` may be.
 * `registry`: an image name by the OCI grammar; `reference` is what a runtime takes (without `docker://`).
 * `file`: an absolute path on the gateway's host (SIF, archive or sandbox directory). Only the syntax has been looked at:
 * whether it is allowed (`images.allowed`) and exists is the backend's to say.
 */
export type ImageReference =
  | {
      readonly kind: 'registry';
      readonly reference: string;
      /** With the registry's host, if one was given. */
      readonly name: string;
      readonly tag?: string;
      readonly digest?: string;
    }
  | { readonly kind: 'file'; readonly path: string };

/** The grammar's own limit for a name, and room for tag and digest: longer text is not even looked at. */
const MAX_NAME = 255;
const MAX_REFERENCE = 1024;

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:]+\\])(?::[0-9]{1,5})?`;
const NAME = `(?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}';
const REFERENCE = new RegExp(`^(${NAME})(?::(${TAG}))?(?:@(${DIGEST}))?$`);

/**
 * Takes an image apart, or returns `undefined` when it is none. A reference that passes never starts with `-` and holds no
 * space, quote or control character, so it is never read as a flag or as shell text.
 */
export function parseImageReference(image: string): ImageReference | undefined {
  const path = image.startsWith('file://') ? image.slice('file://'.length) : image;
  if (path.startsWith('/')) return parseImageFile(path);
  const reference = image.startsWith('docker://') ? image.slice('docker://'.length) : image;
  if (reference.length > MAX_REFERENCE) return undefined;
  const match = REFERENCE.exec(reference);
  const name = match?.[1];
  if (!match || name === undefined || name.length > MAX_NAME) return undefined;
  const [, , tag, digest] = match;
  return { kind: 'registry', reference, name, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

function parseImageFile(path: string): ImageReference | undefined {
  const checked = checkContainerPath(path);
  // A control character in a file name is possible, but in an image name it is only ever an attack or an accident.
  if (!checked.ok || checked.path === '/' || /\p{Cc}/u.test(path)) return undefined;
  return { kind: 'file', path: checked.path };
}
