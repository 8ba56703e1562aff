/** One pair of the list filter (TES ListTasks `tag_key`/`tag_value`). An empty value matches any value. */
export interface TagFilter {
  readonly key: string;
  readonly value: string;
}

/**
 * Zips the two query arrays by position (TES ListTasks). A key without a value matches any value; values beyond the last key
 * are ignored; the same key twice means that both must hold.
 */
export function tagFilters(keys: readonly string[], values: readonly string[]): TagFilter[] {
  return keys.map((key, index) => ({ key, value: values[index] ?? '' }));
}

/** True when every filter holds: the key is there, and its value is the one asked for, or none was asked for. Exact and case-sensitive. */
export function matchesTags(tags: Readonly<Record<string, string>>, filters: readonly TagFilter[]): boolean {
  return filters.every(({ key, value }) => Object.hasOwn(tags, key) && (value === '' || tags[key] === value));
}
