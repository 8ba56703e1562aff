import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';

@ApiSchema({ name: 'newCredential', description: 'Either `username` and `password`, or `token`.' })
export class NewCredentialDto {
  @ApiProperty({
    description: 'For URLs that begin with it, by whole segments of the path; the longest prefix counts.',
    example: 'https://files.example.org/lab',
  })
  prefix!: string;

  @ApiPropertyOptional({ example: 'ann' })
  username?: string;

  @ApiPropertyOptional({ format: 'password' })
  password?: string;

  @ApiPropertyOptional({ format: 'password', description: 'Sent as `Authorization: Bearer`.' })
  token?: string;
}

@ApiSchema({ name: 'newRegistryLogin' })
export class NewRegistryLoginDto {
  @ApiProperty({
    description: 'With its port, where images are named with one; of Docker Hub `docker.io`.',
    example: 'registry.example.org',
  })
  host!: string;

  @ApiProperty({ example: 'ann' })
  username!: string;

  @ApiProperty({ format: 'password' })
  password!: string;
}

const SAVED_AT = { description: 'RFC 3339.' };

@ApiSchema({ name: 'credential', description: 'A credential for a storage, without what is secret of it.' })
export class CredentialDto {
  @ApiProperty({ example: 'https://files.example.org/lab' })
  prefix!: string;

  @ApiProperty(SAVED_AT)
  saved_at!: string;
}

@ApiSchema({ name: 'registryLogin', description: 'A login at a registry, without what is secret of it.' })
export class RegistryLoginDto {
  @ApiProperty({ example: 'registry.example.org' })
  host!: string;

  @ApiProperty(SAVED_AT)
  saved_at!: string;
}

@ApiSchema({ name: 'credentialList' })
export class CredentialListDto {
  @ApiProperty({ type: [CredentialDto] })
  credentials!: CredentialDto[];
}

@ApiSchema({ name: 'registryLoginList' })
export class RegistryLoginListDto {
  @ApiProperty({ type: [RegistryLoginDto] })
  registries!: RegistryLoginDto[];
}

@ApiSchema({ name: 'removedCredential' })
export class RemovedCredentialDto {
  @ApiProperty()
  prefix!: string;
}

@ApiSchema({ name: 'removedRegistryLogin' })
export class RemovedRegistryLoginDto {
  @ApiProperty()
  host!: string;
}
