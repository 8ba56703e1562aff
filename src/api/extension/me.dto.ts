import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { type Principal, type Role, ROLES } from '../../ports/authenticator';

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

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'Your own tasks by state; a state without any is left out.',
    example: { RUNNING: 2, COMPLETE: 17 },
  })
  tasks!: Readonly<Record<string, number>>;
}
