import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import { Rounds } from '../ports/rounds';
import type { PublishedBackend, Upkeep } from '../ports/store/upkeep';
import type { StoreClock } from '../ports/store/store-clock';
import type { Placement } from '../task/placement';
import type { BackendMonitor } from './backend-monitor';
import type { EngineLog } from './engine-log';

/** How old what is known of other gateways may be, ms; on a store that nobody else has there are none. */
const REFRESH_MS = 3000;

/** A backend that some gateway on this store has. */
export interface KnownBackend extends PublishedBackend {
  /** Gateways that have it, this one first. */
  readonly gateways: readonly string[];
}

/**
 * The backends of all gateways on the store, so that whichever of them is asked gives the same answer: this one's as they are, those of
 * the others as they last said. A gateway that was silent for a minute drops out.
 */
export class KnownBackends {
  private others: ReadonlyMap<string, readonly PublishedBackend[]> = new Map();
  private notHere: readonly KnownBackend[] = [];
  private said = '';
  /** Says what this gateway has, if that has changed, and hears of the others. */
  private readonly rounds: Rounds;

  constructor(
    private readonly store: StoreClock & Upkeep,
    private readonly backends: BackendRegistry,
    private readonly monitor: Pick<BackendMonitor, 'health'>,
    readonly instance: string,
    log: EngineLog,
  ) {
    this.rounds = new Rounds(
      REFRESH_MS,
      () => this.round(),
      (error) => log.warn('cannot read the backends of other gateways, keeping the last known ones', { err: error }),
    );
  }

  /** Another gateway may come and carry out what this one admits. */
  get isShared(): boolean {
    return this.store.isShared;
  }

  /** Another gateway was on the store when it was last looked at. */
  get hasOthers(): boolean {
    return [...this.others.keys()].some((name) => name !== this.instance);
  }

  async start(): Promise<void> {
    if (!this.isShared) return;
    await this.refresh();
    this.rounds.start();
  }

  stop(): Promise<void> {
    return this.rounds.stop();
  }

  all(): readonly KnownBackend[] {
    return mergeBackends(this.instance, this.own(), this.others);
  }

  /** Those that this gateway does not have itself. */
  elsewhere(): readonly KnownBackend[] {
    return this.notHere;
  }

  refresh(): Promise<void> {
    return this.rounds.now();
  }

  private async round(): Promise<void> {
    const own = this.own();
    const text = JSON.stringify(own);
    if (text !== this.said) {
      await this.store.publish(own);
      this.said = text;
    }
    this.others = await this.store.published();
    this.notHere = mergeBackends(this.instance, own, this.others).filter(({ gateways }) => gateways[0] !== this.instance);
  }

  private own(): readonly PublishedBackend[] {
    return this.backends.all.map((backend) =>
      publishedBackend(backend, this.backends.placement(backend.name), this.monitor.health(backend.name).ok),
    );
  }
}

function publishedBackend(backend: ExecutionBackend, { labels, urlPrefixes }: Placement, isWell: boolean): PublishedBackend {
  const { draining, staging, capacity, atMost, boundToInstance, parameterKeys, notes } = backend.capabilities();
  return {
    name: backend.name,
    draining,
    staging,
    capacity,
    ...(atMost !== undefined && { atMost }),
    boundToInstance,
    labels,
    ...(urlPrefixes !== undefined && { urlPrefixes }),
    parameterKeys,
    notes,
    isWell,
  };
}

/**
 * One entry for each backend: a shared one once, whoever has it; what is bound to its gateway once for each gateway. This gateway's own
 * word counts before that of others; sorted by name where there are others, so that the order is the same wherever it is asked. Pure.
 */
export function mergeBackends(
  instance: string,
  own: readonly PublishedBackend[],
  others: ReadonlyMap<string, readonly PublishedBackend[]>,
): readonly KnownBackend[] {
  const merged = new Map<string, KnownBackend>();
  const sorted = [...others].filter(([name]) => name !== instance).sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [gateway, backends] of [[instance, own] as const, ...sorted]) {
    for (const backend of backends) {
      const key = JSON.stringify([backend.name, backend.boundToInstance ? gateway : undefined]);
      const known = merged.get(key);
      merged.set(key, known ? { ...known, gateways: [...known.gateways, gateway] } : { ...backend, gateways: [gateway] });
    }
  }
  // Alone it keeps the order of its settings.
  if (sorted.length === 0) return [...merged.values()];
  return [...merged.values()].sort((one, other) => compare(one.name, other.name) || compare(first(one), first(other)));
}

const first = ({ gateways }: KnownBackend): string => [...gateways].sort()[0] ?? '';
const compare = (one: string, other: string): number => (one === other ? 0 : one < other ? -1 : 1);
