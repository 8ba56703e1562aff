import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, type OnModuleDestroy, Post, Req, Res, StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { KnownBackends } from '../../engine/known-backends';
import { LogReader, type LogRequest } from '../../engine/log-reader';
import { TaskService } from '../../engine/task.service';
import type { Principal } from '../../ports/authenticator';
import { describeBackend } from './backend-description';
import { Rules } from '../auth/route-rules';
import { CurrentPrincipal } from '../auth/current-principal.decorator';
import { ApiBackends, ApiExplainTask, ApiReadLog, ApiRestoreOutputs } from './extension.openapi';
import { JsonAnswer } from '../http/json-answer.decorator';
import { RestoredTaskId, TaskId } from '../tasks/request-parts.decorator';
import { LogQuery } from './log-request';

/** What TES has no words for: why a task waits, its logs as they are written, the backends. */
@ApiTags('Extensions')
@Controller('ext/v1')
export class ExtensionController implements OnModuleDestroy {
  private readonly stopping = new AbortController();

  constructor(
    private readonly tasks: TaskService,
    private readonly logs: LogReader,
    private readonly known: KnownBackends,
  ) {}

  @Get('tasks/:id')
  @Rules({ counted: 'gets' })
  @JsonAnswer()
  @ApiExplainTask()
  async explainTask(@CurrentPrincipal() caller: Principal, @TaskId() id: string) {
    return JSON.stringify(await this.tasks.explain(caller, id));
  }

  @Post('tasks/:idRestore')
  @Rules({ scope: 'admin', audited: 'restore-outputs' })
  @HttpCode(202)
  @JsonAnswer()
  @ApiRestoreOutputs()
  async restoreOutputs(@CurrentPrincipal() caller: Principal, @RestoredTaskId() id: string) {
    await this.tasks.restoreOutputs(caller, id);
    return '{}';
  }

  @Get('tasks/:id/logs/:executor/:stream')
  @HttpCode(200)
  @ApiReadLog()
  async readLog(
    @CurrentPrincipal() caller: Principal,
    @TaskId() id: string,
    @LogQuery() log: LogRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const gone = new AbortController();
    reply.raw.once('close', () => {
      gone.abort();
    });
    const wanted = request.method === 'HEAD' ? { ...log, follow: false } : log;
    const signal = AbortSignal.any([gone.signal, this.stopping.signal]);
    const chunks = await this.logs.open(caller, id, wanted, signal);
    return new StreamableFile(Readable.from(chunks, { objectMode: false }), { type: 'text/plain; charset=utf-8' });
  }

  @Get('backends')
  @JsonAnswer()
  @ApiBackends()
  listBackends() {
    return JSON.stringify({ backends: this.known.all().map(describeBackend) });
  }

  /** Ends every log that is being followed, which would otherwise keep the server from closing. */
  onModuleDestroy(): void {
    this.stopping.abort();
  }
}
