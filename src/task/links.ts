/**
 * True when a link at `link` (a path relative to a tree) with `target` cannot lead out of the tree, whatever links the tree holds
 * beside it: the target is relative, its `..` stand in front, and there are no more of them than the link lies deep.
 * `..` after a name is not accepted, because the name may itself be a link.
 */
export function linkStays(link: string, target: string): boolean {
  if (target === '' || target.startsWith('/')) return false;
  const segments = target.split('/').filter((segment) => segment !== '' && segment !== '.');
  const ups = segments.findIndex((segment) => segment !== '..');
  const climbs = ups === -1 ? segments.length : ups;
  return !segments.slice(climbs).includes('..') && climbs <= link.split('/').length - 1;
}
