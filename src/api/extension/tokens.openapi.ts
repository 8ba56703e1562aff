import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam } from '@nestjs/swagger';
import { ApiErrors } from '../http/error.dto';
import { MadeTokenDto, NewTokenDto, NewTokenForSomebodyDto, RevokedTokensDto, TokenListDto } from './tokens.dto';

const OWNER = ApiParam({ name: 'owner', type: String, description: 'Issuer and subject, percent-encoded.', example: 'basic|ann' });

const owned = (operationId: string): MethodDecorator[] => (operationId.includes('My') ? [] : [OWNER]);

export const ApiListTokens = (operationId: string, summary: string): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId, summary }),
    ...owned(operationId),
    ApiOkResponse({ type: TokenListDto, description: '' }),
    ApiErrors(),
  );

export const ApiMakeToken = (whose?: 'somebody'): MethodDecorator =>
  applyDecorators(
    ApiOperation(
      whose === undefined
        ? {
            operationId: 'MakeMyToken',
            summary: 'Make a personal API token.',
            description: 'It has your roles and groups as they are now. No token makes tokens: log in by other means.',
          }
        : { operationId: 'MakeToken', summary: 'Make a personal API token for somebody, for admins. It has one role and no groups.' },
    ),
    ...(whose === undefined ? [] : [OWNER]),
    ApiBody({ type: whose === undefined ? NewTokenDto : NewTokenForSomebodyDto }),
    ApiCreatedResponse({ type: MadeTokenDto, description: '' }),
    ApiErrors(409, 413, 415),
  );

export const ApiRevokeToken = (operationId: string): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId, summary: 'Revoke a personal API token: here at once, by other gateways within seconds.' }),
    ...owned(operationId),
    ApiParam({ name: 'token', type: String, description: 'Its `id`.' }),
    ApiOkResponse({ type: RevokedTokensDto, description: '' }),
    ApiErrors(404),
  );

export const ApiRevokeTokens = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'RevokeTokens', summary: 'Revoke all personal API tokens of somebody, for admins.' }),
    OWNER,
    ApiOkResponse({ type: RevokedTokensDto, description: '' }),
    ApiErrors(),
  );
