import { ApiExtraModels, ApiProperty, ApiPropertyOptional, ApiSchema, getSchemaPath } from '@nestjs/swagger';
import type { ServiceInfo } from '../service-info';
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

@ApiSchema({ name: 'Organization' })
export class OrganizationDto {
  @ApiProperty()
  name!: string;

  @ApiProperty({ format: 'uri' })
  url!: string;
}

@ApiSchema({ name: 'tesServiceType' })
export class ServiceTypeDto {
  @ApiProperty({ example: 'org.ga4gh' })
  group!: string;

  @ApiProperty({ enum: ['tes'] })
  artifact!: 'tes';

  @ApiProperty({ example: '1.1.0' })
  version!: string;
}

@ApiSchema({ name: 'tesServiceInfo', description: 'GA4GH service-info 1.0.0 with the additions of TES.' })
export class ServiceInfoDto implements ServiceInfo {
  @ApiProperty()
  id!: string;

  @ApiProperty()
  name!: string;

  @ApiProperty({ type: ServiceTypeDto })
  type!: ServiceTypeDto;

  @ApiPropertyOptional()
  description?: string;

  @ApiProperty({ type: OrganizationDto })
  organization!: OrganizationDto;

  @ApiPropertyOptional({ format: 'uri' })
  contactUrl?: string;

  @ApiPropertyOptional({ format: 'uri' })
  documentationUrl?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  createdAt?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  updatedAt?: string;

  @ApiPropertyOptional()
  environment?: string;

  @ApiProperty({ description: 'Of this software.' })
  version!: string;

  @ApiPropertyOptional({ type: [String], description: 'Prefixes of URLs that tasks can read or write.' })
  storage!: string[];

  @ApiPropertyOptional({ type: [String], description: 'Keys of `backend_parameters` that some backend supports.' })
  tesResources_backend_parameters!: string[];
}
