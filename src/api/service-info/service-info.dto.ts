import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import type { ServiceInfo } from './service-info';

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
