import { createHash } from 'node:crypto';
import { Conflict, Forbidden, InsufficientStorage, InvalidRequest, TaskNotFound, TooManyRequests, Unavailable } from '../ports/errors';
import type { Principal } from '../ports/authenticator';
import type { IdempotencyKey, KnownKey, ListQuery, TaskRecords } from '../ports/store/task-records';
import type { StoreClock } from '../ports/store/store-clock';
import { canonicalJson } from '../task/canonical-json';
import { ownerScope } from '../task/scopes';
import type { TaskRecord } from '../task/task-record';
import { isTerminal } from '../task/task-state';
import { renderList, renderMinimal, renderTask, statesShownAs, type ViewOptions } from '../task/task-view';
import type { TesState, TesTaskRequest, TesView } from '../task/tes';
import { type Access, AccessPolicy } from './access-policy';
import type { EndWaits } from './end-waits';
import type { Scheduler } from './scheduler';
import { explainStorageWait, type StorageWaitExplanation } from './storage-wait';
import type { TaskAdmission } from './task-admission';
import { isTaskId } from './task-id';
import { type QuotaSettings, type QuotaUse, TaskQuota } from './task-quota';
import type { TaskWriter } from './task-writer';

export interface CreateOptions {
  /** The `Idempotency-Key` header. */
  readonly idempotencyKey?: string;
  /** The base path the request came in on (`/v1`, `/ga4gh/tes/v1`): an identical body arriving on another one while the first is being stored is one task. */
  readonly basePath: string;
  /** For `system_logs`: what was left out of the request. */
  readonly ignored?: string;
}

export interface ListRequest {
  readonly view: TesView;
  readonly state?: TesState;
  readonly namePrefix?: string;
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
  /** 1..2047. */
  readonly pageSize: number;
  readonly pageToken?: string;
}

/** What `/ext/v1/tasks/{id}` answers beside TES: where the engine is with a task, and why it waits. */
export interface TaskExplanation {
  readonly id: string;
  readonly state: TesState;
  readonly step: string;
  readonly attempt: number;
  readonly backend?: string;
  readonly waiting?: readonly string[];
  readonly due_at?: string;
  readonly trouble?: { readonly count: number; readonly reason: string };
  readonly storage_wait?: StorageWaitExplanation;
  readonly outputs_kept_until?: string;
}

export interface TaskServiceSettings {
  readonly views: ViewOptions;
  /** Absent = `owner`. */
  readonly access?: Access;
  readonly quota?: QuotaSettings;
  /** How long an `Idempotency-Key` is remembered, ms. */
  readonly keyTtlMs: number;
  /** A BASIC or FULL page also ends at this many bytes. */
  readonly pageBytes: number;
}

/** No client sends a request again sooner than this, and none is still being stored after that, ms. */
const SENT_AGAIN_MS = 1000;
const ARRIVED_MS = 20_000;
const MOST_ARRIVED = 10_000;

/** Says whether there is room for another task on disk; cheap, asked for every create. Returns the public reason when there is none. */
export type DiskGuard = () => string | undefined;

/** Nothing else than what it says on the wire: the use cases of the API. What a principal may see and do is asked of the policy. */
export class TaskService {
  /** Bodies being stored right now, by owner and text; for clients that send one again on another base path after their time-out. */
  private readonly arriving = new Map<string, { readonly basePath: string; readonly id: Promise<string> }>();
  /** Bodies of the last `ARRIVED_MS` by their keys, oldest first: one that this gateway had is guarded by `arriving` alone. */
  private readonly arrived = new Map<string, number>();
  private readonly access: AccessPolicy;
  private readonly quota: TaskQuota;
  private stopping = false;

  constructor(
    private readonly store: StoreClock & TaskRecords,
    private readonly writer: TaskWriter,
    private readonly admission: TaskAdmission,
    private readonly scheduler: Scheduler,
    private readonly context: {
      readonly settings: TaskServiceSettings;
      readonly now: () => number;
      readonly newId: (nowMs: number) => string;
      readonly diskGuard: DiskGuard;
      /** Absent: a cancel is answered as soon as it is stored. */
      readonly ends?: EndWaits;
    },
  ) {
    this.access = new AccessPolicy(context.settings.access);
    this.quota = new TaskQuota(store, context.settings.quota ?? {});
  }

  /** From now on creates answer `Unavailable`; everything else goes on. */
  stopTaking(): void {
    this.stopping = true;
    this.context.ends?.release();
  }

  /**
   * Resolves with the id when the task is durable. Throws Forbidden, InvalidTask, Conflict, Unavailable (stopping, queue full),
   * TooManyRequests (its quota), InsufficientStorage; none of these last for what was taken with its key before.
   */
  async create(principal: Principal, request: TesTaskRequest, options: CreateOptions): Promise<string> {
    if (!this.access.mayCreate(principal)) throw new Forbidden('only who has the role user or admin may create tasks');
    const key = this.keyOf(request, options);
    try {
      return await this.createNew(principal, request, options, key);
    } catch (error) {
      const hasNoPlace = error instanceof Unavailable || error instanceof TooManyRequests || error instanceof InsufficientStorage;
      const known = hasNoPlace && key ? await this.store.knownKey(principal.owner, key) : undefined;
      if (!known) throw error;
      return idOf(known);
    }
  }

  private async createNew(
    principal: Principal,
    request: TesTaskRequest,
    options: CreateOptions,
    keyed: IdempotencyKey | undefined,
  ): Promise<string> {
    if (this.stopping) throw new Unavailable('the gateway is stopping', { retryAfterSeconds: 5 });
    const noRoom = this.context.diskGuard();
    if (noRoom !== undefined) throw new InsufficientStorage(noRoom);
    const { owner, name, groups } = principal;
    const admitted = this.admission.admit(request, { key: owner, name, groups });
    const requestJson = JSON.stringify(admitted.request);
    const arrivalKey = `${principal.owner}\n${requestJson}`;
    const same = this.arriving.get(arrivalKey);
    if (same && same.basePath !== options.basePath && options.idempotencyKey === undefined) return same.id;
    const warnings = options.ignored === undefined ? admitted.warnings : [options.ignored, ...admitted.warnings];
    const arrival = this.admission.isOneOfSeveral ? this.arrivalOf(arrivalKey, options.basePath) : undefined;
    const id = this.quota.within(this.access.counted(principal), () =>
      this.insert(principal, requestJson, { ...admitted, warnings }, keyed, arrival),
    );
    if (same) return id;
    this.arriving.set(arrivalKey, { basePath: options.basePath, id });
    try {
      return await id;
    } finally {
      this.arriving.delete(arrivalKey);
    }
  }

  /** The view as JSON text, ready to send. Throws TaskNotFound. */
  async get(principal: Principal, id: string, view: TesView): Promise<string> {
    const scopes = this.access.mayRead(principal);
    if (!isTaskId(id)) throw notFound(id);
    const views = this.viewsFor(principal);
    if (view === 'MINIMAL') {
      const state = await this.store.getState(id, scopes);
      if (state === undefined) throw notFound(id);
      return renderMinimal(id, state, views);
    }
    const stored = await this.store.getStored(id, scopes);
    if (!stored) throw notFound(id);
    const waiting = view === 'FULL' && !isTerminal(stored.task.state) ? await this.scheduler.explain(stored.task) : [];
    return renderTask(waiting.length > 0 ? { ...stored, waiting } : stored, view, views);
  }

  /** tesListTasksResponse as JSON text, newest first. Throws InvalidRequest for a page token that is not ours. */
  async list(principal: Principal, request: ListRequest): Promise<string> {
    const scopes = this.access.mayRead(principal);
    const { view, state, ...filters } = request;
    const { pageBytes } = this.context.settings;
    const views = this.viewsFor(principal);
    const states = state === undefined ? [] : statesShownAs(state, views);
    if (state !== undefined && states.length === 0) return renderList([], '');
    const query: ListQuery = {
      ...filters,
      ...(scopes && { scopes }),
      ...(state !== undefined && { state: states.length === 1 ? states[0] : states }),
    };
    if (view === 'MINIMAL') {
      const page = await this.store.listMinimal(query);
      return renderList(
        page.items.map(([id, state]) => renderMinimal(id, state, views)),
        page.nextPageToken,
      );
    }
    const page = await this.store.listStored(query, pageBytes);
    return renderList(
      page.items.map((stored) => renderTask(stored, view, views)),
      page.nextPageToken,
    );
  }

  /**
   * Idempotent; a no-op on a terminal task. Resolves when the end is confirmed, so that the next look finds it, or a moment later (`EndWaits`)
   * while it is not: then the task is CANCELING. Throws TaskNotFound, Forbidden for who may only see it.
   */
  async cancel(principal: Principal, id: string): Promise<void> {
    const task = await this.owned(principal, id);
    if (!this.access.mayCancel(principal, task)) throw new Forbidden('only its owner may cancel this task');
    if (isTerminal(task.state)) return;
    const request = async (): Promise<{ readonly mayEndSoon: boolean }> => {
      const applied = await this.writer.apply(id, { type: 'cancelRequested' }, { known: task });
      return { mayEndSoon: !this.stopping && 'task' in applied && applied.task.state === 'CANCELING' };
    };
    const { ends } = this.context;
    await (ends ? ends.after(id, request) : request());
  }

  /**
   * Has the outputs of a SYSTEM_ERROR task stored that could not be; it becomes what it would have been once they are. Resolves when that
   * is begun. Throws TaskNotFound, Forbidden for who is no administrator, Conflict when no workspace of it is kept.
   */
  async restoreOutputs(principal: Principal, id: string): Promise<void> {
    const task = await this.owned(principal, id);
    if (!this.access.isAdmin(principal)) throw new Forbidden('only an administrator may have outputs stored again');
    const applied = await this.writer.apply(id, { type: 'restoreRequested' }, { known: task });
    if (applied.kind === 'changed' || (applied.kind === 'ignored' && applied.task.step === 'restore')) return;
    throw new Conflict('no workspace of this task is kept whose outputs could not be stored');
  }

  /** Throws TaskNotFound. */
  async explain(principal: Principal, id: string): Promise<TaskExplanation> {
    const task = await this.owned(principal, id);
    const waiting = isTerminal(task.state) ? [] : await this.scheduler.explain(task);
    const storageWait = explainStorageWait(task);
    return {
      id,
      state: task.state,
      step: task.step,
      attempt: task.attempt,
      ...(task.backend !== undefined && { backend: task.backend }),
      ...(waiting.length > 0 && { waiting }),
      ...(task.dueAt !== undefined && { due_at: new Date(task.dueAt).toISOString() }),
      ...(storageWait && { storage_wait: storageWait }),
      ...(task.keptUntil !== undefined && { outputs_kept_until: new Date(task.keptUntil).toISOString() }),
      ...(task.trouble ? { trouble: { count: task.trouble.count, reason: task.trouble.reason } } : {}),
    };
  }

  /** The tasks of one owner by state; a state without any is left out. */
  async countsOf(owner: string): Promise<Partial<Record<TesState, number>>> {
    return Object.fromEntries(Object.entries(await this.store.counts(ownerScope(owner))).filter(([, count]) => count > 0));
  }

  /** The limits of tasks that have not ended, and of active ones, which hold for the principal. */
  async quotaOf(principal: Principal): Promise<readonly QuotaUse[]> {
    const all = [this.quota.of(this.access.counted(principal)), this.scheduler.limits.of(this.access.created(principal))];
    return (await Promise.all(all)).flat();
  }

  /** The record of a task that the principal may see. Throws TaskNotFound. */
  async owned(principal: Principal, id: string): Promise<TaskRecord> {
    const task = isTaskId(id) ? await this.store.getTask(id, this.access.mayRead(principal)) : undefined;
    if (!task) throw notFound(id);
    return task;
  }

  private viewsFor(principal: Principal): ViewOptions {
    const { views } = this.context.settings;
    return this.access.showsOwner(principal) ? { ...views, showOwner: true } : views;
  }

  /**
   * The body as a key of its own, which no client can send, and its base path as what is sent under it: another gateway may have it as well.
   * Absent for one that came here a moment ago: it is another task, and a key that is taken costs three questions. So a body that came here as a
   * task of its own, then elsewhere, and is sent again to here, is a task more: who may not have that sends an Idempotency-Key.
   */
  private arrivalOf(body: string, basePath: string): IdempotencyKey | undefined {
    const key = `\0${sha256(body)}`;
    const now = this.store.now();
    const before = this.arrived.get(key);
    this.arrived.delete(key);
    this.arrived.set(key, now);
    const [oldest] = this.arrived.size > MOST_ARRIVED ? this.arrived.keys() : [];
    if (oldest !== undefined) this.arrived.delete(oldest);
    const isHere = before !== undefined && now - before < ARRIVED_MS;
    return isHere ? undefined : { key, bodySha256: basePath, ttlMs: ARRIVED_MS };
  }

  private async insert(
    principal: Principal,
    requestJson: string,
    admitted: ReturnType<TaskAdmission['admit']>,
    key: IdempotencyKey | undefined,
    arrival?: IdempotencyKey,
  ): Promise<string> {
    const now = this.context.now();
    const id = this.context.newId(now);
    const { name, tags } = admitted.request;
    const created = this.access.created(principal);
    const limitedBy = await this.scheduler.limits.metBy(created);
    const task: TaskRecord = {
      id,
      ...created,
      ...(name !== undefined && { name }),
      tags: tags ?? {},
      createdAt: now,
      queuedAt: this.store.now(),
      state: 'QUEUED',
      step: 'queued',
      revision: 1,
      attempt: 0,
      jobEnded: false,
      needs: { ...admitted.needs, ...(limitedBy && { limitedBy }) },
      attempts: [],
      systemLogs: admitted.warnings,
      overlay: {},
    };
    const began = this.store.now();
    const result = await this.writer.create(requestJson, task, key ?? arrival);
    if (result.kind === 'inserted') return id;
    if (!key) {
      const isSentAgain = !result.sameBody && this.store.now() - began >= SENT_AGAIN_MS;
      return isSentAgain ? result.id : this.insert(principal, requestJson, admitted, undefined);
    }
    return idOf(result);
  }

  /** Compared as parsed: the same document with its members in another order is the same body. */
  private keyOf(request: TesTaskRequest, { idempotencyKey: key }: CreateOptions): IdempotencyKey | undefined {
    return key === undefined ? undefined : { key, bodySha256: sha256(canonicalJson(request)), ttlMs: this.context.settings.keyTtlMs };
  }
}

function idOf({ id, sameBody }: KnownKey): string {
  if (sameBody) return id;
  throw new Conflict('this Idempotency-Key was used with another body');
}

function notFound(id: string): TaskNotFound {
  return new TaskNotFound(`there is no task ${id.slice(0, 100)}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Used by readers of logs as well: an executor index that the task does not have. */
export function noSuchExecutor(index: number, count: number): InvalidRequest {
  return new InvalidRequest(`the task has ${count} executor${count === 1 ? '' : 's'}, there is no number ${index} (the first is 0)`);
}
