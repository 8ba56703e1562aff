/** What to do with the tasks of a backend that is away. */
export type WhenAway =
  /** Wait as long as `retry.backend_patience_seconds` says, then use up an attempt. */
  | { readonly kind: 'patience' }
  /** Wait for it, however long that is. */
  | { readonly kind: 'wait' }
  /** After so many ms without an answer the task goes to another backend, if there is one that can take it. */
  | { readonly kind: 'move'; readonly afterMs: number };

/** What the settings say of where a backend stands; what it can do it says itself (`BackendCapabilities`). */
export interface Placement {
  /** Words by which tasks choose it; names in lower case. */
  readonly labels: Readonly<Record<string, string>>;
  /** Only tasks all of whose URLs lie below one of these folders (`prefixFolders`) go there; absent = all. */
  readonly urlPrefixes?: readonly string[];
  readonly whenAway: WhenAway;
}

export const ANYWHERE: Placement = { labels: {}, whenAway: { kind: 'patience' } };

/** Before a label's name in `backend_parameters`: `{"label.site": "north"}` goes only to backends whose label `site` is `north`. */
export const LABEL_PREFIX = 'label.';

/** The `backend_parameters` keys that a backend's labels add to its own. */
export function labelKeys({ labels }: Pick<Placement, 'labels'>): readonly string[] {
  return Object.keys(labels).map((name) => `${LABEL_PREFIX}${name}`);
}

/** The labels a task asks for, by name; `undefined` when it asks for none. An empty value asks for nothing. */
export function wishedLabels(parameters: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> | undefined {
  const wishes = Object.entries(parameters ?? {})
    .map(([key, value]) => [key.toLowerCase(), value] as const)
    .filter(([key, value]) => key.startsWith(LABEL_PREFIX) && value !== '')
    .map(([key, value]) => [key.slice(LABEL_PREFIX.length), value] as const);
  // fromEntries defines own properties, so that a label named __proto__ stays a label.
  return wishes.length === 0 ? undefined : Object.fromEntries(wishes);
}
