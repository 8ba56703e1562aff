import { StoreError } from '../../ports/errors';

/** Primary result codes of SQLite (the low byte of an extended one) that say something about the file or the machine, not about us. */
const ENVIRONMENT: Readonly<Record<number, string>> = {
  3: 'access to the store is refused',
  5: 'the store is locked by another program',
  6: 'the store is locked',
  7: 'out of memory',
  8: 'the store is read-only',
  9: 'interrupted',
  10: 'reading or writing the store failed',
  13: 'the disk is full',
  14: 'the store cannot be opened',
  15: 'the store is locked by another program',
  22: 'the file is too large for this system',
  23: 'access to the store is refused',
};
const BUSY = 5;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/** `undefined` when it is not SQLite's. By its member, not its class: it may come from another realm. */
export function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY;
}

/** The file is damaged: from here on nothing may be written to it. */
export function isCorruption(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === CORRUPT || code === NOT_A_DATABASE;
}

/** True for what hits every operation alike (disk full, locked, damaged); false for a fault of one statement. */
export function isEnvironment(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && (code in ENVIRONMENT || isCorruption(error));
}

/** A fault of the file or the machine as `StoreError`; anything else is a bug and stays what it is. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof StoreError || !isEnvironment(error)) return error;
  const code = sqliteCode(error) ?? 0;
  const damaged = isCorruption(error);
  return new StoreError(damaged ? 'The task store is damaged' : 'The task store cannot be used at the moment', {
    retryable: !damaged,
    unavailable: true,
    internal: damaged
      ? 'The task store is damaged; nothing is written any more'
      : `The task store failed: ${ENVIRONMENT[code] ?? 'unknown'}`,
    cause: error,
  });
}
