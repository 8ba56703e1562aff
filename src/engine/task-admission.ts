import { InvalidTask, type Problem } from '../ports/errors';
import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import { droppedParametersWarning, unsupportedParameters, withoutParameters } from '../task/backend-parameters';
import { ANYWHERE, labelKeys } from '../task/placement';
import { checkCounts, type CountLimits } from '../task/check-counts';
import { checkTask, type TaskLimits } from '../task/check-task';
import { taskNeeds } from '../task/task-needs';
import type { TaskNeeds } from '../task/task-record';
import type { TesTaskRequest } from '../task/tes';
import { type Capacity, roomKey } from '../task/room';
import type { KnownBackends } from './known-backends';
import { judged } from './reach';
import { fitted, mismatch } from './select-backend';
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
  readonly capacity: Capacity;
  /** Its own and those of its labels. */
  readonly parameterKeys: readonly string[];
}

const ALONE = { instance: '', isShared: false, elsewhere: () => [] };
/** Of one answer: a backend may say something of each variable and each path. */
const MOST_PROBLEMS = 100;
const PARAMETERS = '$.resources.backend_parameters';

/** Decides whether a normalised request becomes a task, and what the scheduler must know of it. No I/O: everything is in memory. */
export class TaskAdmission {
  constructor(
    private readonly backends: BackendRegistry,
    private readonly storage: StorageRegistry,
    private readonly settings: AdmissionSettings,
    /** Of other gateways on the store; what only a running backend can say of a request is said there, when one is given to it. */
    private readonly known: Pick<KnownBackends, 'elsewhere' | 'instance' | 'isShared'> = ALONE,
  ) {}

  /** Throws `InvalidTask` with every problem found. */
  admit(request: TesTaskRequest): Admitted {
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
    if (problems.length === 0) problems.push(...checkUrls(request, this.storage));
    refuse(problems);

    const needs = this.knownLabels(needed.needs);
    const { candidates, refusedBy } = this.candidates(request, needs);
    if (settings.overCapacity === 'refuse') refuse(tooLarge(needs, candidates));
    const known = new Set(candidates.flatMap(({ parameterKeys }) => parameterKeys));
    const dropped = unsupportedParameters(needed.needs.parameterKeys, [...known]);
    const isDropped = new Set(dropped);
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
    const reasons: string[] = [];
    const refusedBy: string[] = [];
    const candidates = this.backends.all.flatMap((backend) => {
      const { name } = backend;
      const capabilities = backend.capabilities();
      const placement = this.backends.placement(name);
      const unfit = mismatch(needs, { name, capabilities, placement });
      const refused = unfit === undefined ? backend.check(request, needs) : [unfit];
      // Bound to this gateway, it says nothing of another gateway's backend of the same name: that one is asked there.
      const hasNamesake = capabilities.boundToInstance && elsewhere.some((other) => other.name === name);
      if (unfit === undefined && refused.length > 0) refusedBy.push(hasNamesake ? roomKey(name, this.known.instance) : name);
      reasons.push(...refused.map((reason) => `backend ${name}: ${reason}`));
      return refused.length === 0
        ? [{ capacity: capabilities.capacity, parameterKeys: [...capabilities.parameterKeys, ...labelKeys(placement)] }]
        : [];
    });
    for (const other of elsewhere) {
      const { name, labels, urlPrefixes } = other;
      const placement = { ...ANYWHERE, labels, ...(urlPrefixes !== undefined && { urlPrefixes }) };
      const unfit = mismatch(needs, { name, capabilities: other, placement });
      if (unfit === undefined) candidates.push({ capacity: other.capacity, parameterKeys: [...other.parameterKeys, ...labelKeys(other)] });
      else reasons.push(`backend ${name}: ${unfit}`);
    }
    if (candidates.length === 0) {
      const isWish = (needs.strict && needs.parameterKeys.length > 0) || needs.labels !== undefined;
      const path = isWish ? PARAMETERS : '$';
      refuse(
        reasons.length > 0
          ? [...new Set(reasons)].map((message) => ({ path, message }))
          : [{ path: '$', message: 'no backend is set up on this server (setting `backends`)' }],
      );
    }
    return { candidates, refusedBy };
  }
}

/** What is more than each of the backends has in all. Where that is no reason to refuse, the task is fitted when it is assigned. */
function tooLarge(needs: TaskNeeds, candidates: readonly Fitting[]): Problem[] {
  const most = fitted(
    needs,
    candidates.map(({ capacity }) => capacity),
  );
  const lines: Problem[] = [];
  if (most.cpuCores < needs.cpuCores)
    lines.push({
      path: '$.resources.cpu_cores',
      message: `${needs.cpuCores} CPU cores were asked for, the largest backend has ${most.cpuCores}`,
    });
  if (most.ramGb < needs.ramGb)
    lines.push({
      path: '$.resources.ram_gb',
      message: `${needs.ramGb} GB of memory were asked for, the largest backend has ${most.ramGb}`,
    });
  return lines;
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
