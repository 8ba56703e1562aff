/** Which methods each served path has, learned from the router, so that a wrong one is told apart from a wrong path (405, not 404). */
export class AllowedMethods {
  private readonly paths = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  /** Called for every route as it is registered; `:name` stands for one segment. */
  add(path: string, methods: readonly string[]): void {
    const known = this.paths.get(path);
    if (known) for (const method of methods) known.methods.add(method);
    else this.paths.set(path, { pattern: patternOf(path), methods: new Set(methods) });
  }

  /** Methods served at this path of a URL (no query); empty when nothing is. Several slashes count as one, as for the router. */
  at(path: string): readonly string[] {
    const methods = new Set<string>();
    const single = path.replaceAll(/\/{2,}/g, '/');
    for (const entry of this.paths.values()) {
      if (entry.pattern.test(single)) for (const method of entry.methods) methods.add(method);
    }
    return [...methods].sort();
  }
}

function patternOf(path: string): RegExp {
  const segments = path.split('/').map((segment) => {
    if (segment === '*') return '.*';
    if (segment === ':idRestore') return '[^/]+(?::|%3[Aa])restore-outputs';
    if (segment === ':idAction') return '[^/]+(?::|%3[Aa])cancel';
    if (segment.startsWith(':')) return '(?:(?!(?::|%3[Aa])(?:cancel|restore-outputs))[^/])+';
    return segment.replaceAll(/[^\w-]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/')}/?$`);
}
