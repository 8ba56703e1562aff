import { ApiExtraModels, ApiProperty, ApiPropertyOptional, ApiSchema, getSchemaPath } from '@nestjs/swagger';
import { TES_STATES, type TesState } from '../../task/tes';
import { TaskDto } from './task.dto';

@ApiSchema({ name: 'tesCreateTaskResponse' })
export class CreateTaskAnswerDto {
  @ApiProperty({ description: 'The id of the task, which is now durable.' })
  id!: string;
}

@ApiSchema({ name: 'tesCancelTaskResponse', description: 'An object without members.' })
export class CancelTaskAnswerDto {}

/** Not a name of the official document: what its `tesTask` is in the MINIMAL view. */
@ApiSchema({ name: 'tesTaskMinimal', description: 'A task in the MINIMAL view.' })
export class MinimalTaskDto {
  @ApiProperty()
  id!: string;

  @ApiProperty({ enum: TES_STATES, enumName: 'tesState' })
  state!: TesState;
}

/** `executors` is required of a task, but a MINIMAL one has none: both are described. */
export const TASK_IN_ANY_VIEW = { anyOf: [{ $ref: getSchemaPath(TaskDto) }, { $ref: getSchemaPath(MinimalTaskDto) }] };

@ApiExtraModels(TaskDto, MinimalTaskDto)
@ApiSchema({ name: 'tesListTasksResponse' })
export class ListTasksAnswerDto {
  @ApiProperty({ type: 'array', items: TASK_IN_ANY_VIEW, description: 'Newest first.' })
  tasks!: (TaskDto | MinimalTaskDto)[];

  @ApiPropertyOptional({ description: 'Empty on the last page.' })
  next_page_token?: string;
}
