import { BackendError } from '../ports/errors';
import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import type { AwayRule } from '../task/failure-policy';
import { amountsOf, fits, NOTHING } from '../task/amounts';
import type { TaskRecord } from '../task/task-record';
import type { BackendMonitor } from './backend-monitor';
import { mismatch, wholeOf } from './select-backend';

const PATIENCE: AwayRule = { kind: 'patience' };
const WAIT: AwayRule = { kind: 'wait' };

/** What a task does whose backend did not answer, by the settings of that backend and by whether another one could take it. */
export class AwayRules {
  constructor(
    private readonly backends: BackendRegistry,
    private readonly monitor: Pick<BackendMonitor, 'health'>,
  ) {}

  /** `error` is what the task met. That a storage is away is no matter of the backend. */
  ruleFor(task: TaskRecord, error: unknown): AwayRule {
    const backend = this.backends.get(task.backend ?? '');
    if (!backend) return PATIENCE;
    const isAway = !this.monitor.health(backend.name).ok;
    if (!isAway && !(error instanceof BackendError)) return PATIENCE;
    const { whenAway } = this.backends.placement(backend.name);
    if (whenAway.kind !== 'move') return whenAway;
    // Only from a backend that is known to be away: its return is when the jobs that stayed behind are ended.
    if (!isAway || !this.couldGoElsewhere(task)) return WAIT;
    return { ...whenAway, mayHaveStarted: mayHaveStarted(task, backend) };
  }

  /** Another backend is there, healthy, takes new tasks, and could take this one once it has room. */
  private couldGoElsewhere({ needs, given }: TaskRecord): boolean {
    const size = amountsOf(given ?? needs);
    return this.backends.all.some((backend) => {
      // Not the one it is on, which is away.
      const { name } = backend;
      const capabilities = backend.capabilities();
      return (
        !capabilities.draining &&
        this.monitor.health(name).ok &&
        mismatch(needs, { name, capabilities, placement: this.backends.placement(name) }) === undefined &&
        fits(NOTHING, size, wholeOf(capabilities))
      );
    });
  }
}

/** False only where the Stager cannot have asked for the start: before the first step, or while it brings inputs. */
function mayHaveStarted({ step, handle, needs }: TaskRecord, backend: ExecutionBackend): boolean {
  if (backend.capabilities().staging !== 'gateway') return true;
  if (handle === undefined) return step !== 'stage-in' && step !== 'submit';
  return step !== 'stage-in' || handle.step !== 'prepared' || !needs.hasInputs;
}
