import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { type Role, ROLES, TOKEN_SCOPES, type TokenScope } from '../../ports/authenticator';

/** That somebody else's token may have. */
export const OTHERS_ROLES = ['user', 'viewer'] as const;

@ApiSchema({ name: 'newToken', description: 'A personal API token that is to be made.' })
export class NewTokenDto {
  @ApiProperty({ description: 'By which you know it again: 1 to 100 characters.', example: 'nightly pipeline' })
  name!: string;

  @ApiPropertyOptional({
    enum: TOKEN_SCOPES,
    isArray: true,
    default: ['read', 'create', 'cancel'],
    description: 'What it covers. Only with `admin` is the token of an admin one of an admin.',
  })
  scopes?: readonly TokenScope[];

  @ApiPropertyOptional({
    type: 'number',
    description: 'Days until it expires, also a fraction: at most `auth.token.max_days`, 90 when left out.',
    example: 30,
  })
  expires_in_days?: number;
}

@ApiSchema({ name: 'newTokenForSomebody', description: 'The same for somebody else, of whom this server then knows no more than that.' })
export class NewTokenForSomebodyDto extends NewTokenDto {
  @ApiPropertyOptional({ enum: OTHERS_ROLES, default: 'user' })
  role?: (typeof OTHERS_ROLES)[number];
}

@ApiSchema({ name: 'token', description: 'A personal API token, without the token itself.' })
export class TokenDto {
  @ApiProperty({ example: '3f0c9ad1be27f15c60a4d2b8' })
  id!: string;

  @ApiProperty()
  name!: string;

  @ApiProperty({ description: 'Whose tasks it reads and creates.', example: 'basic|ann' })
  owner!: string;

  @ApiProperty({ enum: ROLES, isArray: true, description: 'As they were when it was made.' })
  roles!: readonly Role[];

  @ApiProperty({ enum: TOKEN_SCOPES, isArray: true })
  scopes!: readonly TokenScope[];

  @ApiProperty({ description: 'RFC 3339.' })
  created_at!: string;

  @ApiProperty({ description: 'RFC 3339.' })
  expires_at!: string;

  @ApiPropertyOptional({ description: 'The admin who made it for its owner.' })
  made_by?: string;
}

@ApiSchema({ name: 'madeToken' })
export class MadeTokenDto extends TokenDto {
  @ApiProperty({ description: 'What a client sends after `Authorization: Bearer`. It is shown this once.' })
  token!: string;
}

@ApiSchema({ name: 'tokenList' })
export class TokenListDto {
  @ApiProperty({ type: [TokenDto] })
  tokens!: TokenDto[];
}

@ApiSchema({ name: 'revokedTokens' })
export class RevokedTokensDto {
  @ApiProperty({ type: 'integer', description: 'How many there were.' })
  revoked!: number;
}
