import { Controller, Delete, Get, Header, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Principal } from '../../ports/authenticator';
import { NotFound } from '../../ports/errors';
import { type MadeToken, PersonalTokens } from '../../ports/personal-tokens';
import { CurrentPrincipal } from '../auth/current-principal.decorator';
import { Rules } from '../auth/route-rules';
import { JsonAnswer } from '../http/json-answer.decorator';
import { NewToken, NewTokenForSomebody, shownToken, TokenId, TokenOwner, type Wish } from './token-request';
import type { MadeTokenDto, RevokedTokensDto, TokenListDto } from './tokens.dto';
import { ApiListTokens, ApiMakeToken, ApiRevokeToken, ApiRevokeTokens } from './tokens.openapi';

/** No token makes or revokes tokens: the routes that change something name no scope. */
const ADMINS = { roles: ['admin'] } as const;

/** Personal API tokens; there while `auth.schemes` names `token`. */
@ApiTags('Extensions')
@Controller('ext/v1')
export class TokensController {
  constructor(private readonly tokens: PersonalTokens) {}

  @Get('me/tokens')
  @JsonAnswer()
  @ApiListTokens('ListMyTokens', 'Your personal API tokens.')
  listMine(@CurrentPrincipal() { owner }: Principal) {
    return this.list(owner);
  }

  @Post('me/tokens')
  @Rules({ audited: 'make-token' })
  @HttpCode(201)
  @Header('cache-control', 'no-store')
  @JsonAnswer()
  @ApiMakeToken()
  async makeMine(@CurrentPrincipal() caller: Principal, @NewToken() wish: Wish) {
    return shownOnce(await this.tokens.make(caller, wish));
  }

  @Delete('me/tokens/:token')
  @Rules({ audited: 'revoke-token' })
  @JsonAnswer()
  @ApiRevokeToken('RevokeMyToken')
  revokeMine(@CurrentPrincipal() { owner }: Principal, @TokenId() id: string) {
    return this.revoke(owner, id);
  }

  @Get('users/:owner/tokens')
  @Rules({ ...ADMINS, scope: 'admin' })
  @JsonAnswer()
  @ApiListTokens('ListTokens', 'The personal API tokens of somebody, for admins.')
  list(@TokenOwner() owner: string) {
    return this.tokens.of(owner).then((tokens) => JSON.stringify({ tokens: tokens.map(shownToken) } satisfies TokenListDto));
  }

  @Post('users/:owner/tokens')
  @Rules({ ...ADMINS, audited: 'make-token' })
  @HttpCode(201)
  @Header('cache-control', 'no-store')
  @JsonAnswer()
  @ApiMakeToken('somebody')
  async make(@CurrentPrincipal() admin: Principal, @TokenOwner() owner: string, @NewTokenForSomebody() { role = 'user', ...wish }: Wish) {
    return shownOnce(await this.tokens.makeFor(admin, owner, role, wish));
  }

  @Delete('users/:owner/tokens')
  @Rules({ ...ADMINS, scope: 'admin', audited: 'revoke-token' })
  @JsonAnswer()
  @ApiRevokeTokens()
  async revokeAll(@TokenOwner() owner: string) {
    return JSON.stringify({ revoked: await this.tokens.revoke(owner) } satisfies RevokedTokensDto);
  }

  @Delete('users/:owner/tokens/:token')
  @Rules({ ...ADMINS, scope: 'admin', audited: 'revoke-token' })
  @JsonAnswer()
  @ApiRevokeToken('RevokeToken')
  async revoke(@TokenOwner() owner: string, @TokenId() id: string) {
    const revoked = await this.tokens.revoke(owner, id);
    if (revoked === 0) throw new NotFound('there is no such token');
    return JSON.stringify({ revoked } satisfies RevokedTokensDto);
  }
}

function shownOnce({ token, text }: MadeToken): string {
  return JSON.stringify({ ...shownToken(token), token: text } satisfies MadeTokenDto);
}
