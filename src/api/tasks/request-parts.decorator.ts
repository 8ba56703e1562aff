import type { CreateOptions, ListRequest } from '../../engine/task.service';
import type { TesTaskRequest, TesView } from '../../task/tes';
import { requestPart } from '../http/request-part';
import { createOptionsOf } from './create-options';
import { listRequestOf, pageOf, type PageRequest, type Query, viewOf } from './list-query';
import { readTask } from './task-document';
import { cancelledTaskId, restoredTaskId, taskId } from './task-path';

interface Path {
  readonly id: string;
  readonly idAction: string;
  readonly idRestore: string;
}

export const TaskDocument = requestPart<Path, Query, TesTaskRequest>((request) => readTask(request.body));
export const CreateContext = requestPart<Path, Query, CreateOptions>(createOptionsOf);
export const TaskId = requestPart<Path, Query, string>((request) => taskId(request.params.id));
export const CancelledTaskId = requestPart<Path, Query, string>((request) => cancelledTaskId(request.params.idAction));
export const RestoredTaskId = requestPart<Path, Query, string>((request) => restoredTaskId(request.params.idRestore));
export const ViewQuery = requestPart<Path, Query, TesView>((request) => viewOf(request.query));
export const ListTasksQuery = requestPart<Path, Query, ListRequest>((request) => listRequestOf(request.query));
export const PageQuery = requestPart<unknown, Query, PageRequest>((request) => pageOf(request.query));
