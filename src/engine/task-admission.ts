import { InvalidTask, type Problem } from '../ports/errors';
import type { BackendCapabilities } from '../ports/execution-backend';
import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import { droppedParametersWarning, unsupportedParameters, withoutParameters } from '../task/backend-parameters';
import { ANYWHERE, labelKeys, type Placement } from '../task/placement';
import { checkCounts, type CountLimits } from '../task/check-counts';
import { checkTask, type TaskLimits } from '../task/check-task';
import { taskNeeds } from '../task/task-needs';
import type { Owner } from '../task/owner';
import type { TaskNeeds } from '../task/task-record';
import type { TesTaskRequest } from '../task/tes';
import { type Capacity, CUT_NAMES, SIZES } from '../task/amounts';
import { roomKey } from '../task/room';
import type { KnownBackends } from './known-backends';
import { judged } from './reach';
import { fitted, lack, type Mismatch, mismatch, wholeOf } from './select-backend';
import { checkUrls } from './transfers/transfers';

/** Limits a new task is held against; the settings `api.*` and `limits.*`. */
export interface AdmissionSettings extends TaskLimits {
  readonly counts: CountLimits;
  readonly defaultCpuCores: number;
  readonly defaultRamGb: number;
  readonly maxRuntimeSeconds: { readonly default: number; readonly max: number };
  readonly maxTransferSeconds: number;
  /** A request above every backend's whole capacity is cut down to it, with a system log line, or refused. */
  readonly overCapacity: 'clamp' | 'refuse';
}

export interface Admitted {
  readonly request: TesTaskRequest;
  readonly needs: TaskNeeds;
  /** For `system_logs`. */
  readonly warnings: readonly string[];
}

/** A backend that could carry a task out. */
interface Fitting {
  /** When it has grown. */
  readonly capacity: Capacity;
  /** Its own and those of its labels. */
  readonly parameterKeys: readonly string[];
}

const ALONE = { instance: '', isShared: false, hasOthers: false, elsewhere: () => [] };
/** Of one answer: a backend may say something of each variable and each path. */
const MOST_PROBLEMS = 100;
const PARAMETERS = '$.resources.backend_parameters';

/** Why no backend takes a task: most clients show the first reason only. */
class Reasons {
  private readonly ofRequest: Problem[] = [];
  private readonly ofBackends: Problem[] = [];
  private readonly ofWishes: Problem[] = [];

  /** What a backend that could be the one has against the request. */
  refused(backend: string, reasons: readonly string[]): void {
    for (const reason of reasons) this.ofRequest.push({ path: '$', message: `backend ${backend}: ${reason}` });
  }

  unfit(backend: string, { of, reason }: Mismatch): void {
    const problems = of === 'wish' ? this.ofWishes : this.ofBackends;
    problems.push({ path: of === 'task' ? '$' : PARAMETERS, message: `backend ${backend}: ${reason}` });
  }

  /** That a backend is not the one asked for says nothing of the request: it counts only where there is nothing else. */
  problems(): readonly Problem[] {
    const problems = [...this.ofRequest, ...this.ofBackends];
    if (problems.length === 0) problems.push(...this.ofWishes);
    if (problems.length === 0) problems.push({ path: '$', message: 'no backend is set up on this server (setting `backends`)' });
    return [...new Map(problems.map((problem) => [problem.message, problem])).values()];
  }
}

/** Decides whether a normalised request becomes a task, and what the scheduler must know of it. No I/O: everything is in memory. */
export class TaskAdmission {
  constructor(
    private readonly backends: BackendRegistry,
    private readonly storage: StorageRegistry,
    private readonly settings: AdmissionSettings,
    /** Of other gateways on the store; what only a running backend can say of a request is said there, when one is given to it. */
    private readonly known: Pick<KnownBackends, 'elsewhere' | 'instance' | 'isShared' | 'hasOthers'> = ALONE,
  ) {}

  /** What a client sends may reach another gateway, too; as heard some seconds ago. */
  get isOneOfSeveral(): boolean {
    return this.known.hasOthers;
  }

  /** Throws `InvalidTask` with every problem found. */
  admit(request: TesTaskRequest, owner: Owner): Admitted {
    const { settings } = this;
    refuse(checkCounts(request, settings.counts));
    const problems: Problem[] = [...checkTask(request, settings, (url) => this.storage.identity(url))];
    const needed = taskNeeds(request, {
      cpuCores: settings.defaultCpuCores,
      ramGb: settings.defaultRamGb,
      maxRuntimeSeconds: settings.maxRuntimeSeconds,
      maxTransferSeconds: settings.maxTransferSeconds,
    });
    problems.push(...needed.problems);
    if (problems.length === 0) problems.push(...checkUrls(request, this.storage, owner));
    refuse(problems);

    const wanted = this.knownLabels(needed.needs);
    const { candidates, refusedBy } = this.candidates(request, wanted);
    if (settings.overCapacity === 'refuse') refuse(tooLarge(wanted, candidates));
    const known = new Set(candidates.flatMap(({ parameterKeys }) => parameterKeys));
    const dropped = unsupportedParameters(needed.needs.parameterKeys, [...known]);
    const isDropped = new Set(dropped);
    const { gpus, ...rest } = wanted;
    const needs = gpus === undefined || isDropped.has('gpus') ? rest : wanted;
    return {
      request: dropped.length > 0 ? withoutDropped(request, dropped) : request,
      needs: judged(
        {
          ...needs,
          ...(refusedBy.length > 0 && { refusedBy }),
          ...(this.known.isShared && { admittedBy: this.known.instance }),
          parameterKeys: needed.needs.parameterKeys.filter((key) => !isDropped.has(key)),
        },
        this.backends.all.map(({ name }) => this.backends.placement(name)),
      ),
      warnings: [...needed.warnings, ...(dropped.length > 0 ? [droppedParametersWarning(dropped, 'this server')] : [])],
    };
  }

  /** A label that no backend bears is a parameter that nobody supports, not a wish. */
  private knownLabels(needs: TaskNeeds): TaskNeeds {
    const { labels, ...rest } = needs;
    if (labels === undefined) return needs;
    const borne = [...this.backends.all.map(({ name }) => this.backends.placement(name)), ...this.known.elsewhere()].map(
      (one) => one.labels,
    );
    const known = Object.entries(labels).filter(([label]) => borne.some((one) => Object.hasOwn(one, label)));
    return known.length > 0 ? { ...rest, labels: Object.fromEntries(known) } : rest;
  }

  /** The backends that could ever carry it out, and the names of those that say of themselves that they cannot; refuses when there is none. */
  private candidates(
    request: TesTaskRequest,
    needs: TaskNeeds,
  ): { readonly candidates: readonly Fitting[]; readonly refusedBy: readonly string[] } {
    const elsewhere = this.known.elsewhere();
    const known = [...new Set([...this.backends.all, ...elsewhere].map(({ name }) => name))];
    if (needs.backend !== undefined && !known.includes(needs.backend)) {
      const names = known.join(', ') || 'none';
      refuse([{ path: `${PARAMETERS}.backend`, message: `there is no backend of that name on this server (there are: ${names})` }]);
    }
    const reasons = new Reasons();
    const refusedBy: string[] = [];
    const candidates: Fitting[] = [];
    for (const backend of this.backends.all) {
      const { name } = backend;
      const capabilities = backend.capabilities();
      const placement = this.backends.placement(name);
      const unfit = mismatch(needs, { name, capabilities, placement }) ?? tooSmall(needs, capabilities);
      const refused = unfit ? [] : backend.check(request, needs);
      // Bound to this gateway, it says nothing of another gateway's backend of the same name: that one is asked there.
      const hasNamesake = capabilities.boundToInstance && elsewhere.some((other) => other.name === name);
      if (refused.length > 0) refusedBy.push(hasNamesake ? roomKey(name, this.known.instance) : name);
      reasons.refused(name, refused);
      if (unfit) reasons.unfit(name, unfit);
      else if (refused.length === 0) candidates.push(fitting(capabilities, placement));
    }
    for (const other of elsewhere) {
      const { name, labels, urlPrefixes } = other;
      const placement = { ...ANYWHERE, labels, ...(urlPrefixes !== undefined && { urlPrefixes }) };
      const unfit = mismatch(needs, { name, capabilities: other, placement }) ?? tooSmall(needs, other);
      if (unfit) reasons.unfit(name, unfit);
      else candidates.push(fitting(other, placement));
    }
    if (candidates.length === 0) refuse(reasons.problems());
    return { candidates, refusedBy };
  }
}

/** What may not be cut. */
function tooSmall(needs: TaskNeeds, capabilities: Pick<BackendCapabilities, 'capacity' | 'atMost'>): Mismatch | undefined {
  const reason = lack(needs, wholeOf(capabilities));
  return reason === undefined ? undefined : { of: 'task', reason };
}

function fitting(
  { parameterKeys, ...capabilities }: Pick<BackendCapabilities, 'capacity' | 'atMost' | 'parameterKeys'>,
  placement: Placement,
): Fitting {
  return { capacity: wholeOf(capabilities), parameterKeys: [...parameterKeys, ...labelKeys(placement)] };
}

/** What is more than each of the backends has in all. Where that is no reason to refuse, the task is fitted when it is assigned. */
function tooLarge(needs: TaskNeeds, candidates: readonly Fitting[]): Problem[] {
  const most = fitted(
    needs,
    candidates.map(({ capacity }) => capacity),
  );
  return CUT_NAMES.filter((name) => (most[name] ?? 0) < (needs[name] ?? 0)).map((name) => ({
    path: SIZES[name].path,
    message: `${needs[name]} ${SIZES[name].words} were asked for, the largest backend has ${most[name]}`,
  }));
}

/** Unsupported keys are neither stored nor returned (TES `backend_parameters`). */
function withoutDropped(request: TesTaskRequest, dropped: readonly string[]): TesTaskRequest {
  const { backend_parameters: parameters, ...resources } = request.resources ?? {};
  const kept = parameters ? withoutParameters(parameters, dropped) : undefined;
  return { ...request, resources: { ...resources, ...(kept ? { backend_parameters: kept } : {}) } };
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const first = problems[0];
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new InvalidTask(`${first?.path}: ${first?.message}${more}`, { details: problems.slice(0, MOST_PROBLEMS) });
}
