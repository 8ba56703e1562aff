import type { StoreClock } from '../ports/store/store-clock';
import type { Upkeep } from '../ports/store/upkeep';

/** A gateway that was silent for so long is away, ms: several times what lies between two words of its own. */
export const AWAY_MS = 30_000;

/** Since when an instance has been away, if it is: what tasks bound to it wait for. */
export async function awayInstance(
  store: Pick<StoreClock, 'now'> & Pick<Upkeep, 'seenGateways'>,
  instance: string,
): Promise<{ readonly since?: number } | undefined> {
  const seen = (await store.seenGateways()).get(instance);
  if (seen === undefined) return {};
  return store.now() - seen > AWAY_MS ? { since: seen } : undefined;
}
