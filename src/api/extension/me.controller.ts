import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { TaskService } from '../../engine/task.service';
import type { Principal } from '../../ports/authenticator';
import { Rules } from '../auth/route-rules';
import { CurrentPrincipal } from '../auth/current-principal.decorator';
import { ApiErrors } from '../http/error.dto';
import { JsonAnswer } from '../http/json-answer.decorator';
import { MeDto } from './me.dto';

/** Who a client is to this server. */
@ApiTags('Extensions')
@Controller('ext/v1')
export class MeController {
  constructor(private readonly tasks: TaskService) {}

  @Get('me')
  @Rules({ roles: [] })
  @JsonAnswer()
  @ApiOperation({ operationId: 'GetMe', summary: 'Who you are to this server, what you may do, and how many tasks you have.' })
  @ApiOkResponse({ type: MeDto, description: '' })
  @ApiErrors()
  async getMe(@CurrentPrincipal() { kind, owner, name, groups, roles }: Principal) {
    return JSON.stringify({ kind, owner, name, groups, roles, tasks: await this.tasks.countsOf(owner) } satisfies MeDto);
  }
}
