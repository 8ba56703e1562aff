import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { type Principal, type Role, ROLES, TOKEN_SCOPES, type TokenScope } from '../../ports/authenticator';

@ApiSchema({ name: 'limit' })
export class LimitDto {
  @ApiProperty({ description: 'What the operator sets it by.', example: 'limits.max_tasks_of_user' })
  setting!: string;

  @ApiPropertyOptional({ description: 'Of this group, all its members together; absent: of yourself.', example: 'basic|genomics' })
  group?: string;

  @ApiProperty({
    type: 'integer',
    description: '`limits`: tasks that have not ended. `rates`: requests within a minute.',
    example: 500_000,
  })
  most!: number;

  @ApiProperty({ type: 'integer', description: 'At most a second old.', example: 12 })
  used!: number;
}

@ApiSchema({ name: 'me' })
export class MeDto implements Principal {
  @ApiProperty({ enum: ['anonymous', 'user', 'service'] })
  kind!: Principal['kind'];

  @ApiProperty({ description: 'Whose your tasks are.', example: 'basic|ann' })
  owner!: string;

  @ApiProperty({ example: 'ann' })
  name!: string;

  @ApiProperty({ type: [String], example: ['basic|genomics'] })
  groups!: readonly string[];

  @ApiProperty({ enum: ROLES, isArray: true })
  roles!: readonly Role[];

  @ApiPropertyOptional({
    enum: TOKEN_SCOPES,
    isArray: true,
    description: 'What the token that you sent covers; absent = everything.',
  })
  scopes?: readonly TokenScope[];

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'Your own tasks by state; a state without any is left out.',
    example: { RUNNING: 2, COMPLETE: 17 },
  })
  tasks!: Readonly<Record<string, number>>;

  @ApiProperty({ type: [LimitDto], description: 'The limits that hold for you, and what is used of each.' })
  limits!: readonly LimitDto[];
}
