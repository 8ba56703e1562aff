import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { ApiErrors } from '../http/error.dto';
import { BackendListDto, TaskExplanationDto } from './extension.dto';

const Id = (): MethodDecorator => ApiParam({ name: 'id', type: String, description: 'Task id.' });

export const ApiExplainTask = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'ExplainTask', summary: 'Where the engine is with a task, and why it waits.' }),
    Id(),
    ApiOkResponse({ type: TaskExplanationDto, description: '' }),
    ApiErrors(404),
  );

export const ApiRestoreOutputs = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({
      operationId: 'RestoreOutputs',
      summary: 'Have the outputs stored of a SYSTEM_ERROR task that could not be stored, from its kept workspace.',
      description:
        'For administrators. Answered when it is begun. The task is COMPLETE when all outputs are stored: the one case in which a final ' +
        'state changes. When they cannot be stored again it stays as it is, with a line in `system_logs`, and may be asked for again.',
    }),
    ApiParam({ name: 'id', type: String, description: 'Task id.' }),
    ApiResponse({ status: 202, description: 'Begun.' }),
    ApiErrors(403, 404, 409),
  );

export const ApiReadLog = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'ReadLog', summary: 'The output of an executor, while it runs (at most 5 s behind) and after.' }),
    Id(),
    ApiParam({ name: 'executor', description: 'Index of the executor, from 0.', schema: { type: 'integer', minimum: 0 } }),
    ApiParam({ name: 'stream', schema: { type: 'string', enum: ['stdout', 'stderr'] } }),
    ApiQuery({ name: 'offset', required: false, description: 'Bytes to leave out.', schema: { type: 'integer', minimum: 0, default: 0 } }),
    ApiQuery({
      name: 'follow',
      required: false,
      description: 'Go on until the executor ends.',
      schema: { type: 'boolean', default: false },
    }),
    // Not ApiProduces: its errors are JSON, as everywhere.
    ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' } } }, description: '' }),
    ApiErrors(404),
  );

export const ApiBackends = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'ListBackends', summary: 'The backends that are on, and what each can do.' }),
    ApiOkResponse({ type: BackendListDto, description: '' }),
    ApiErrors(),
  );
