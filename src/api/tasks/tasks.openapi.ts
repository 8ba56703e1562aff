import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOkResponse, ApiOperation, ApiParam, ApiQuery } from '@nestjs/swagger';
import { TES_STATES, TES_VIEWS } from '../../task/tes';
import { CancelTaskAnswerDto, CreateTaskAnswerDto, ListTasksAnswerDto, TASK_IN_ANY_VIEW } from './answers.dto';
import { ApiErrors } from '../http/error.dto';
import { TaskDto } from './task.dto';

/** What `/docs` says of the TES routes; names and texts of parameters follow the official document. */
const View = (): MethodDecorator =>
  ApiQuery({
    name: 'view',
    required: false,
    description:
      'MINIMAL: only `id` and `state`. BASIC: without `stdout` and `stderr` of executor logs, `content`, `system_logs`. FULL: all.',
    schema: { type: 'string', enum: [...TES_VIEWS], default: 'MINIMAL' },
  });

const Id = (): MethodDecorator => ApiParam({ name: 'id', type: String, description: 'Task id.' });

export const ApiCreateTask = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'CreateTask', summary: 'Create a task. It is durable when the answer arrives.' }),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: 'The same key and body answer the same id for 24 hours; another body under the key is 409.',
      schema: { type: 'string', pattern: '^[!-~]{1,255}$' },
    }),
    ApiBody({ type: TaskDto }),
    ApiOkResponse({ type: CreateTaskAnswerDto, description: '' }),
    ApiErrors(409, 413, 415, 507),
  );

export const ApiListTasks = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'ListTasks', summary: 'List tasks, the newest first.' }),
    ApiQuery({ name: 'name_prefix', required: false, schema: { type: 'string' } }),
    ApiQuery({ name: 'state', required: false, enum: TES_STATES, enumName: 'tesState' }),
    ApiQuery({
      name: 'tag_key',
      required: false,
      description: 'May be repeated; zipped with `tag_value` by position. All pairs must match.',
      schema: { type: 'array', items: { type: 'string' } },
    }),
    ApiQuery({
      name: 'tag_value',
      required: false,
      description: 'A missing or empty value matches every value.',
      schema: { type: 'array', items: { type: 'string' } },
    }),
    ApiQuery({
      name: 'page_size',
      required: false,
      description: 'Default 256; 2048 and more is served as 2047.',
      schema: { type: 'integer', format: 'int32', minimum: 1 },
    }),
    ApiQuery({ name: 'page_token', required: false, description: '`next_page_token` of the page before.', schema: { type: 'string' } }),
    View(),
    ApiOkResponse({ type: ListTasksAnswerDto, description: '' }),
    ApiErrors(),
  );

export const ApiGetTask = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'GetTask', summary: 'Get one task.' }),
    Id(),
    View(),
    ApiOkResponse({ schema: TASK_IN_ANY_VIEW, description: '' }),
    ApiErrors(404),
  );

export const ApiCancelTask = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'CancelTask', summary: 'Cancel a task. No effect on one that has ended.' }),
    Id(),
    ApiOkResponse({ type: CancelTaskAnswerDto, description: '' }),
    ApiErrors(403, 404, 413, 415),
  );
