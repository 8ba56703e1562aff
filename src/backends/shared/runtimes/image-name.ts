/**
 * The whole name of an image that may be a short one: TES names images as docker does, where a name without a host is docker.io's, and one
 * without an owner is `library/`'s. podman would ask its own list of registries, or nobody. A first part is a host when it has a dot or a port, or is `localhost`.
 */
export function wholeImageName(reference: string): string {
  const slash = reference.indexOf('/');
  if (slash < 0) return `docker.io/library/${reference}`;
  const first = reference.slice(0, slash);
  return first === 'localhost' || /[.:]/.test(first) ? reference : `docker.io/${reference}`;
}
