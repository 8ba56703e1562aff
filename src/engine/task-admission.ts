import { InvalidTask, type Problem } from '../ports/errors';
import type { BackendCapabilities } from '../ports/execution-backend';
import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import { droppedParametersWarning, unsupportedParameters, withoutParameters } from '../task/backend-parameters';
import { checkTask } from '../task/check-task';
import { labelKeys } from '../task/placement';
import { taskNeeds } from '../task/task-needs';
import type { TaskNeeds } from '../task/task-record';
import type { TesTaskRequest } from '../task/tes';
import { judged } from './reach';
import { fitted, mismatch } from './select-backend';
import { checkUrls } from './transfers/transfers';

/** Limits a new task is held against; the settings `api.*` and `limits.*`. */
export interface AdmissionSettings {
  readonly contentBytes: number;
  readonly defaultCpuCores: number;
  readonly defaultRamGb: number;
  readonly maxRuntimeSeconds: { readonly default: number; readonly max: number };
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
  readonly capabilities: BackendCapabilities;
  /** Its own and those of its labels. */
  readonly parameterKeys: readonly string[];
}

const PARAMETERS = '$.resources.backend_parameters';

/** Decides whether a normalised request becomes a task, and what the scheduler must know of it. No I/O: everything is in memory. */
export class TaskAdmission {
  constructor(
    private readonly backends: BackendRegistry,
    private readonly storage: StorageRegistry,
    private readonly settings: AdmissionSettings,
  ) {}

  /** Throws `InvalidTask` with every problem found. */
  admit(request: TesTaskRequest): Admitted {
    const { settings } = this;
    const problems: Problem[] = [...checkTask(request, { contentBytes: settings.contentBytes })];
    const needed = taskNeeds(request, {
      cpuCores: settings.defaultCpuCores,
      ramGb: settings.defaultRamGb,
      maxRuntimeSeconds: settings.maxRuntimeSeconds,
    });
    problems.push(...needed.problems);
    if (problems.length === 0) problems.push(...checkUrls(request, this.storage));
    refuse(problems);

    const needs = this.knownLabels(needed.needs);
    const { candidates, refusedBy } = this.candidates(request, needs);
    if (settings.overCapacity === 'refuse') refuse(tooLarge(needs, candidates));
    const known = new Set(candidates.flatMap(({ parameterKeys }) => parameterKeys));
    const dropped = unsupportedParameters(needed.needs.parameterKeys, [...known]);
    return {
      request: dropped.length > 0 ? withoutDropped(request, dropped) : request,
      needs: judged(
        {
          ...needs,
          ...(refusedBy.length > 0 && { refusedBy }),
          parameterKeys: needed.needs.parameterKeys.filter((key) => !dropped.includes(key)),
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
    const borne = this.backends.all.map(({ name }) => this.backends.placement(name).labels);
    const known = Object.entries(labels).filter(([label]) => borne.some((one) => Object.hasOwn(one, label)));
    return known.length > 0 ? { ...rest, labels: Object.fromEntries(known) } : rest;
  }

  /** The backends that could ever carry it out, and the names of those that say of themselves that they cannot; refuses when there is none. */
  private candidates(
    request: TesTaskRequest,
    needs: TaskNeeds,
  ): { readonly candidates: readonly Fitting[]; readonly refusedBy: readonly string[] } {
    if (needs.backend !== undefined && !this.backends.get(needs.backend)) {
      const names = this.backends.all.map(({ name }) => name).join(', ') || 'none';
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
      if (unfit === undefined && refused.length > 0) refusedBy.push(name);
      reasons.push(...refused.map((reason) => `backend ${name}: ${reason}`));
      return refused.length === 0 ? [{ capabilities, parameterKeys: [...capabilities.parameterKeys, ...labelKeys(placement)] }] : [];
    });
    if (candidates.length === 0) {
      const isWish = (needs.strict && needs.parameterKeys.length > 0) || needs.labels !== undefined;
      const path = isWish ? PARAMETERS : '$';
      refuse(
        reasons.length > 0
          ? reasons.map((message) => ({ path, message }))
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
    candidates.map(({ capabilities }) => capabilities.capacity),
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
  throw new InvalidTask(`${first?.path}: ${first?.message}${more}`, { details: problems });
}
