import type { Capacity } from './task-store';

/** What a gateway says of one of its backends to the other gateways on its store: all that admission and `/ext/v1/backends` need. */
export interface PublishedBackend {
  readonly name: string;
  readonly draining: boolean;
  readonly staging: 'gateway' | 'worker';
  readonly capacity: Capacity;
  /** Jobs can be reached by that gateway alone: another gateway's backend of the same name is another one. */
  readonly boundToInstance: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Folders below which all URLs of a task must lie; absent = anywhere. */
  readonly urlPrefixes?: readonly string[];
  readonly parameterKeys: readonly string[];
  readonly notes: readonly string[];
  /** It answers. */
  readonly isWell: boolean;
}
