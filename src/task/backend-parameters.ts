/** `resources.backend_parameters` (TES): a flat map whose keys are case-insensitive. Keys are compared in lower case. */

export type BackendParameters = Readonly<Record<string, string>>;

/** Keys that every backend understands, besides its own: which backend to use, and how long executors, and one transfer of all inputs or outputs, may take, in whole seconds. */
export const COMMON_PARAMETER_KEYS = ['backend', 'max_runtime_seconds', 'max_transfer_seconds'] as const;

/** The keys in lower case, without duplicates, in the order they were sent. */
export function parameterKeys(parameters: BackendParameters | undefined): string[] {
  return parameters ? [...new Set(Object.keys(parameters).map((key) => key.toLowerCase()))] : [];
}

/** The value under a key, however it is written; `undefined` when it is absent or empty. `key` in lower case. */
export function backendParameter(parameters: BackendParameters | undefined, key: string): string | undefined {
  if (!parameters) return undefined;
  const found = Object.entries(parameters).find(([name, value]) => value !== '' && name.toLowerCase() === key);
  return found?.[1];
}

/** Keys written more than once in different case with different values: nobody can tell which one is meant. In lower case. */
export function ambiguousParameters(parameters: BackendParameters | undefined): string[] {
  const seen = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const [name, value] of Object.entries(parameters ?? {})) {
    const key = name.toLowerCase();
    const earlier = seen.get(key);
    if (earlier !== undefined && earlier !== value) ambiguous.add(key);
    seen.set(key, value);
  }
  return [...ambiguous];
}

/** Which of `keys` (lower case) are neither common to all backends nor in `supported` (lower case, a backend's own list). */
export function unsupportedParameters(keys: readonly string[], supported: readonly string[]): string[] {
  const known = new Set<string>([...supported, ...COMMON_PARAMETER_KEYS]);
  return keys.filter((key) => !known.has(key));
}

/**
 * The map without the dropped keys (lower case): unsupported keys are neither stored nor returned (TES `backend_parameters`).
 * `undefined` when nothing is left.
 */
export function withoutParameters(parameters: BackendParameters, dropped: readonly string[]): Record<string, string> | undefined {
  const gone = new Set(dropped);
  const kept = Object.entries(parameters).filter(([name]) => !gone.has(name.toLowerCase()));
  // fromEntries defines own properties, so that a key named __proto__ stays a key.
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** The system log line for keys that were dropped (TES: "Backends shall log system warnings"). */
export function droppedParametersWarning(keys: readonly string[], backend: string): string {
  return `backend parameters not supported by ${backend} were dropped: ${keys.join(', ')}`;
}
