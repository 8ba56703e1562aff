import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { LogRequest } from '../engine/log-reader';
import type { CreateOptions, ListRequest } from '../engine/task.service';
import type { TesTaskRequest, TesView } from '../task/tes';
import { createOptionsOf } from './create-options';
import { listRequestOf, type Query, viewOf } from './list-query';
import { type LogPath, logRequestOf } from './log-request';
import { readTask } from './task-document';
import { cancelledTaskId, restoredTaskId, taskId } from './task-path';

/**
 * Each takes one checked thing out of a request, or throws what the error filter answers. Decorators rather than pipes: a pipe
 * costs a promise per parameter, and GET is the hot path of every client that polls.
 */
type TaskRequest = FastifyRequest<{ Params: { id: string; idAction: string; idRestore: string } & LogPath; Querystring: Query }>;

function part<T>(read: (request: TaskRequest) => T): () => ParameterDecorator {
  const decorator = createParamDecorator((_data: undefined, context: ExecutionContext): T =>
    read(context.switchToHttp().getRequest<TaskRequest>()),
  );
  return () => decorator();
}

export const TaskDocument = part<TesTaskRequest>((request) => readTask(request.body));
export const CreateContext = part<CreateOptions>(createOptionsOf);
export const TaskId = part<string>((request) => taskId(request.params.id));
export const CancelledTaskId = part<string>((request) => cancelledTaskId(request.params.idAction));
export const RestoredTaskId = part<string>((request) => restoredTaskId(request.params.idRestore));
export const ViewQuery = part<TesView>((request) => viewOf(request.query));
export const ListTasksQuery = part<ListRequest>((request) => listRequestOf(request.query));
export const LogQuery = part<LogRequest>((request) => logRequestOf(request.params, request.query));
