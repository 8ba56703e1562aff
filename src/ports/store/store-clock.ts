/** The time of a store, and whether others have it, too. */
export interface StoreClock {
  /** Milliseconds since the epoch, see above. */
  now(): number;
  /** True where other processes change tasks too: loops then look every so often for what those did. */
  readonly isShared: boolean;
}
