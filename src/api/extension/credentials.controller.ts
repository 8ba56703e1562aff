import { Controller, Delete, Get, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Principal } from '../../ports/authenticator';
import { type CredentialKind, OwnCredentials, type SavedCredential } from '../../ports/credentials';
import { NotFound } from '../../ports/errors';
import { CurrentPrincipal } from '../auth/current-principal.decorator';
import { Rules } from '../auth/route-rules';
import { JsonAnswer } from '../http/json-answer.decorator';
import { HostInQuery, type NewCredential, NewRegistryLogin, NewStorageCredential, PrefixInQuery } from './credential-request';
import {
  CredentialDto,
  CredentialListDto,
  NewCredentialDto,
  NewRegistryLoginDto,
  RegistryLoginDto,
  RegistryLoginListDto,
  RemovedCredentialDto,
  RemovedRegistryLoginDto,
} from './credentials.dto';
import { ApiListCredentials, ApiRemoveCredential, ApiSaveCredential } from './credentials.openapi';

/**
 * Credentials of users for storages and registries; there while `credentials.key_file` is set. What is secret comes in and never goes out.
 * No personal API token changes any: the routes that do name no scope.
 */
@ApiTags('Extensions')
@Controller('ext/v1/me')
export class CredentialsController {
  constructor(private readonly credentials: OwnCredentials) {}

  @Get('credentials')
  @JsonAnswer()
  @ApiListCredentials('ListMyCredentials', 'For which URLs you have saved credentials.', CredentialListDto)
  async listPrefixes(@CurrentPrincipal() { owner }: Principal) {
    return JSON.stringify({ credentials: (await this.credentials.of(owner, 'storage')).map(shownPrefix) } satisfies CredentialListDto);
  }

  @Put('credentials')
  @Rules({ audited: 'save-credential' })
  @JsonAnswer()
  @ApiSaveCredential('SaveMyCredential', 'Save a credential that your tasks use for these URLs.', NewCredentialDto, CredentialDto)
  async savePrefix(@CurrentPrincipal() { owner }: Principal, @NewStorageCredential() { target, secret }: NewCredential) {
    return JSON.stringify(shownPrefix(await this.credentials.save(owner, 'storage', target, secret)));
  }

  @Delete('credentials')
  @Rules({ audited: 'remove-credential' })
  @JsonAnswer()
  @ApiRemoveCredential(
    'RemoveMyCredential',
    'Remove a credential: from then on no transfer begins with it.',
    'prefix',
    RemovedCredentialDto,
  )
  async removePrefix(@CurrentPrincipal() { owner }: Principal, @PrefixInQuery() text: string) {
    return JSON.stringify({ prefix: await this.remove(owner, 'storage', text) } satisfies RemovedCredentialDto);
  }

  @Get('registries')
  @JsonAnswer()
  @ApiListCredentials('ListMyRegistries', 'At which registries of images you have a login here.', RegistryLoginListDto)
  async listHosts(@CurrentPrincipal() { owner }: Principal) {
    return JSON.stringify({ registries: (await this.credentials.of(owner, 'registry')).map(shownHost) } satisfies RegistryLoginListDto);
  }

  @Put('registries')
  @Rules({ audited: 'save-registry' })
  @JsonAnswer()
  @ApiSaveCredential('SaveMyRegistry', 'Save a login with which images of your tasks are pulled.', NewRegistryLoginDto, RegistryLoginDto)
  async saveHost(@CurrentPrincipal() { owner }: Principal, @NewRegistryLogin() { target, secret }: NewCredential) {
    return JSON.stringify(shownHost(await this.credentials.save(owner, 'registry', target, secret)));
  }

  @Delete('registries')
  @Rules({ audited: 'remove-registry' })
  @JsonAnswer()
  @ApiRemoveCredential('RemoveMyRegistry', 'Remove a login: from then on no image is pulled with it.', 'host', RemovedRegistryLoginDto)
  async removeHost(@CurrentPrincipal() { owner }: Principal, @HostInQuery() text: string) {
    return JSON.stringify({ host: await this.remove(owner, 'registry', text) } satisfies RemovedRegistryLoginDto);
  }

  private async remove(owner: string, kind: CredentialKind, text: string): Promise<string> {
    const target = await this.credentials.remove(owner, kind, text);
    if (target === undefined) throw new NotFound('you have no such credential');
    return target;
  }
}

function shownPrefix({ target, savedAt }: SavedCredential): CredentialDto {
  return { prefix: target, saved_at: new Date(savedAt).toISOString() };
}

function shownHost({ target, savedAt }: SavedCredential): RegistryLoginDto {
  return { host: target, saved_at: new Date(savedAt).toISOString() };
}
