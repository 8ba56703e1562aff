import type { Engine } from '../engine/engine';
import type { Scheduler } from '../engine/scheduler';
import { GatewayError } from '../ports/errors';
import type { BackendRegistry } from '../ports/registries';
import type { Upkeep } from '../ports/store/upkeep';
import type { FreeDisk } from './free-disk';

export interface CheckAnswer {
  readonly ok: boolean;
  readonly detail: string;
}

export interface ReadinessAnswer {
  /** `unavailable`: requests fail, send them elsewhere. `degraded`: the API answers, but tasks will wait or are not taken. */
  readonly status: 'ready' | 'degraded' | 'unavailable';
  readonly store: CheckAnswer;
  readonly disk: CheckAnswer;
  /** Absent when there is no audit log. */
  readonly audit?: CheckAnswer;
  /** `jobs`: how many are there, from assignment to end; absent when the store cannot say. */
  readonly backends: Readonly<Record<string, CheckAnswer & { readonly since: string; readonly jobs?: number }>>;
}

/** Longest wait for the store's word, ms. */
const STORE_LIMIT_MS = 2000;

/** What `/readyz` answers. A backend that is away makes tasks wait, not requests fail, so it alone never makes the gateway unavailable. */
export class Readiness {
  private stopping = false;

  constructor(
    private readonly store: Upkeep,
    private readonly backends: BackendRegistry,
    private readonly monitor: Engine['monitor'],
    private readonly files: { readonly disk: Pick<FreeDisk, 'shortage'>; readonly audit?: { health(): CheckAnswer } | undefined },
    private readonly scheduler: Pick<Scheduler, 'jobs'>,
  ) {}

  /** From now on the answer is `unavailable`, so that a balancer goes elsewhere. */
  stop(): void {
    this.stopping = true;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  async look(): Promise<ReadinessAnswer> {
    const store = this.stopping ? { ok: false, detail: 'the gateway is stopping' } : await this.askStore();
    const shortage = this.files.disk.shortage();
    const audit = this.files.audit?.health();
    const jobs = store.ok ? await this.scheduler.jobs().catch(() => undefined) : undefined;
    const backends = Object.fromEntries(
      this.backends.all.map(({ name }) => {
        const { ok, detail, since } = this.monitor.health(name);
        const count = jobs?.get(name);
        return [name, { ok, detail, since: new Date(since).toISOString(), ...(count !== undefined && { jobs: count }) }];
      }),
    );
    const allWell = shortage === undefined && audit?.ok !== false && Object.values(backends).every(({ ok }) => ok);
    return {
      status: !store.ok ? 'unavailable' : allWell ? 'ready' : 'degraded',
      store,
      disk: { ok: shortage === undefined, detail: shortage ?? 'enough' },
      ...(audit && { audit }),
      backends,
    };
  }

  private async askStore(): Promise<CheckAnswer> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<CheckAnswer>((resolve) => {
      timer = setTimeout(() => resolve({ ok: false, detail: `no answer within ${STORE_LIMIT_MS} ms` }), STORE_LIMIT_MS);
    });
    const answer = this.store.ping().then(
      () => ({ ok: true, detail: 'reads and writes' }),
      (error: unknown) => ({ ok: false, detail: publicText(error) }),
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function publicText(error: unknown): string {
  return error instanceof GatewayError ? error.publicMessage : 'it does not work';
}
