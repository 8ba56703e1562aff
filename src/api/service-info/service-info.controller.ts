import { Controller, Get, Inject } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { KnownBackends } from '../../engine/known-backends';
import { StorageRegistry } from '../../ports/registries';
import { labelKeys } from '../../task/placement';
import { SERVICE_INFO_SETTINGS, type ServiceInfoSettings } from '../api-settings';
import { Rules } from '../auth/route-rules';
import { ServiceInfoDto } from './service-info.dto';
import { ApiErrors } from '../http/error.dto';
import { JsonAnswer } from '../http/json-answer.decorator';
import { legacyServiceInfo, serviceInfo } from './service-info';
import { TES_PATHS } from '../tes-paths';

/** What this server is and can reach, asked anew of the storages and backends each time. Open unless settings say otherwise, as GA4GH registries read it. */
@ApiTags('TaskService')
@Controller([...TES_PATHS, ''])
export class ServiceInfoController {
  constructor(
    @Inject(SERVICE_INFO_SETTINGS) private readonly settings: ServiceInfoSettings,
    private readonly storage: StorageRegistry,
    private readonly known: KnownBackends,
  ) {}

  @Get('service-info')
  @Rules({ open: 'service-info' })
  @JsonAnswer()
  @ApiOperation({ operationId: 'GetServiceInfo', summary: 'What this server is.' })
  @ApiOkResponse({ type: ServiceInfoDto, description: '' })
  @ApiErrors()
  getServiceInfo() {
    const parameterKeys = this.known.all().flatMap((backend) => [...backend.parameterKeys, ...labelKeys(backend)]);
    return JSON.stringify(serviceInfo(this.settings, this.locations(), parameterKeys));
  }

  /** Before TES 1.0 it was here. A fixed segment goes before `:id` in the router, whatever the order of registration. */
  @Get('tasks/service-info')
  @Rules({ open: 'service-info' })
  @JsonAnswer()
  @ApiExcludeEndpoint()
  getLegacyServiceInfo() {
    return JSON.stringify(legacyServiceInfo(this.settings, this.locations()));
  }

  private locations(): string[] {
    return this.storage.all.flatMap(({ locations }) => locations);
  }
}
