import type { BackendDescription } from '../../../src/api/extension/backend-description';
import type { BackendDto, TaskExplanationDto } from '../../../src/api/extension/extension.dto';
import type { ErrorDto, ProblemDto } from '../../../src/api/http/error.dto';
import type { ServiceInfoDto } from '../../../src/api/service-info/service-info.dto';
import type { ExecutorDto, InputDto, OutputDto, ResourcesDto, TaskDto } from '../../../src/api/tasks/task.dto';
import type { ExecutorLogDto, OutputFileLogDto, TaskLogDto } from '../../../src/api/tasks/task-log.dto';
import type { ErrorBody } from '../../../src/api/http/error-answer';
import type { ServiceInfo } from '../../../src/api/service-info/service-info';
import type { TaskExplanation } from '../../../src/engine/task.service';
import type { Problem } from '../../../src/ports/errors';
import type {
  TesExecutor,
  TesExecutorLog,
  TesInput,
  TesOutput,
  TesOutputFileLog,
  TesResources,
  TesTask,
  TesTaskLog,
} from '../../../src/task/tes';

/** `true` when both have the same members; a member that only one of them has does not compile below. */
type SameMembers<Dto, Wire> = [Exclude<keyof Dto, keyof Wire>, Exclude<keyof Wire, keyof Dto>] extends [never, never] ? true : never;

it('documents every member of what is read and answered, and no other', () => {
  const same: readonly true[] = [
    true satisfies SameMembers<TaskDto, TesTask>,
    true satisfies SameMembers<InputDto, TesInput>,
    true satisfies SameMembers<OutputDto, TesOutput>,
    true satisfies SameMembers<ExecutorDto, TesExecutor>,
    true satisfies SameMembers<ResourcesDto, TesResources>,
    true satisfies SameMembers<TaskLogDto, TesTaskLog>,
    true satisfies SameMembers<ExecutorLogDto, TesExecutorLog>,
    true satisfies SameMembers<OutputFileLogDto, TesOutputFileLog>,
    true satisfies SameMembers<ServiceInfoDto, ServiceInfo>,
    true satisfies SameMembers<BackendDto, BackendDescription>,
    true satisfies SameMembers<TaskExplanationDto, TaskExplanation>,
    true satisfies SameMembers<ErrorDto, ErrorBody>,
    true satisfies SameMembers<ProblemDto, Problem>,
  ];
  expect(same).not.toContain(false);
});
