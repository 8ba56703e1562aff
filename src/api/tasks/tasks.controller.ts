import { Controller, Delete, Get, Post } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import { type CreateOptions, type ListRequest, TaskService } from '../../engine/task.service';
import type { Principal } from '../../ports/authenticator';
import type { TesTaskRequest, TesView } from '../../task/tes';
import { CurrentPrincipal } from '../auth/current-principal.decorator';
import { Rules } from '../auth/route-rules';
import { JsonAnswer } from '../http/json-answer.decorator';
import { CancelledTaskId, CreateContext, ListTasksQuery, TaskDocument, TaskId, ViewQuery } from './request-parts.decorator';
import { ApiCancelTask, ApiCreateTask, ApiGetTask, ApiListTasks } from './tasks.openapi';
import { TES_PATHS } from '../tes-paths';

/** TES 1.1 under both bases that clients use. `{id}:cancel` is one segment, so that `%3Acancel` is served as well. */
@ApiTags('TaskService')
@Controller([...TES_PATHS])
export class TasksController {
  constructor(private readonly tasks: TaskService) {}

  @Post('tasks')
  @Rules({ scope: 'create', counted: 'creates', audited: 'create' })
  @JsonAnswer()
  @ApiCreateTask()
  async createTask(@CurrentPrincipal() caller: Principal, @TaskDocument() task: TesTaskRequest, @CreateContext() context: CreateOptions) {
    return JSON.stringify({ id: await this.tasks.create(caller, task, context) });
  }

  @Get('tasks')
  @Rules({ counted: 'lists' })
  @JsonAnswer()
  @ApiListTasks()
  listTasks(@CurrentPrincipal() caller: Principal, @ListTasksQuery() query: ListRequest) {
    return this.tasks.list(caller, query);
  }

  @Get('tasks/:id')
  @Rules({ counted: 'gets' })
  @JsonAnswer()
  @ApiGetTask()
  getTask(@CurrentPrincipal() caller: Principal, @TaskId() id: string, @ViewQuery() view: TesView) {
    return this.tasks.get(caller, id, view);
  }

  @Post('tasks/:idAction')
  @Rules({ scope: 'cancel', audited: 'cancel' })
  @JsonAnswer()
  @ApiCancelTask()
  async cancelTask(@CurrentPrincipal() caller: Principal, @CancelledTaskId() id: string) {
    await this.tasks.cancel(caller, id);
    return '{}';
  }

  /** What the ELIXIR web component sends instead; not in the document. */
  @Delete('tasks/:idAction')
  @Rules({ scope: 'cancel', audited: 'cancel' })
  @JsonAnswer()
  @ApiExcludeEndpoint()
  deleteTask(@CurrentPrincipal() caller: Principal, @CancelledTaskId() id: string) {
    return this.cancelTask(caller, id);
  }
}
