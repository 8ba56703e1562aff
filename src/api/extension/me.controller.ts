import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { QuotaUse } from '../../engine/task-quota';
import { TaskService } from '../../engine/task.service';
import type { Principal } from '../../ports/authenticator';
import { RequestRates } from '../auth/request-rates';
import { Rules } from '../auth/route-rules';
import { CurrentPrincipal } from '../auth/current-principal.decorator';
import { ApiErrors } from '../http/error.dto';
import { JsonAnswer } from '../http/json-answer.decorator';
import { type LimitDto, MeDto } from './me.dto';

/** Who a client is to this server. */
@ApiTags('Extensions')
@Controller('ext/v1')
export class MeController {
  constructor(
    private readonly tasks: TaskService,
    private readonly rates: RequestRates,
  ) {}

  @Get('me')
  @Rules({ roles: [] })
  @JsonAnswer()
  @ApiOperation({
    operationId: 'GetMe',
    summary: 'Who you are to this server, what you may do, how many tasks you have, and how many you may have.',
  })
  @ApiOkResponse({ type: MeDto, description: '' })
  @ApiErrors()
  async getMe(@CurrentPrincipal() caller: Principal) {
    const { kind, owner, name, groups, roles, scopes } = caller;
    const [tasks, quota] = await Promise.all([this.tasks.countsOf(owner), this.tasks.quotaOf(caller)]);
    const limits = limitsOf(quota, this.rates.of(caller));
    return JSON.stringify({ kind, owner, name, groups, roles, ...(scopes && { scopes }), tasks, limits } satisfies MeDto);
  }
}

function limitsOf(quota: readonly QuotaUse[], rates: ReturnType<RequestRates['of']>): readonly LimitDto[] {
  return [
    ...quota.map(({ setting, kind, of, most, used }) => ({
      setting,
      ...(kind === 'group' && { group: of }),
      most,
      used,
    })),
    ...Object.entries(rates).map(([kind, limit]) => ({ setting: `rates.${kind}`, ...limit })),
  ];
}
