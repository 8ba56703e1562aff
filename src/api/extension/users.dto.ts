import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiPropertyOptional, ApiQuery, ApiSchema } from '@nestjs/swagger';
import { ApiErrors } from '../http/error.dto';

@ApiSchema({ name: 'user' })
export class UserDto {
  @ApiProperty({ description: 'Issuer and subject; `anonymous` has the tasks from before the login.', example: 'basic|ann' })
  owner!: string;

  @ApiPropertyOptional({ description: 'As the newest of the tasks or tokens says it; absent where that is `owner`.', example: 'Ann' })
  name?: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'Tasks by state; a state without any is left out.',
    example: { RUNNING: 2, COMPLETE: 17 },
  })
  tasks!: Readonly<Record<string, number>>;

  @ApiPropertyOptional({ description: 'When the newest of the tasks was created. RFC 3339.' })
  last_task_at?: string;

  @ApiProperty({ type: 'integer', description: 'Personal API tokens that have not expired.' })
  tokens!: number;
}

@ApiSchema({ name: 'userList' })
export class UserListDto {
  @ApiProperty({ type: [UserDto] })
  users!: UserDto[];

  @ApiProperty({ description: 'For the next page, which there may be although this one is short; empty on the last.' })
  next_page_token!: string;
}

export const ApiListUsers = (): MethodDecorator =>
  applyDecorators(
    ApiOperation({ operationId: 'ListUsers', summary: 'Everybody who has tasks or personal API tokens, for admins.' }),
    ApiQuery({ name: 'page_size', required: false, schema: { type: 'integer', minimum: 1, default: 100, maximum: 100 } }),
    ApiQuery({ name: 'page_token', required: false, type: String }),
    ApiOkResponse({ type: UserListDto, description: '' }),
    ApiErrors(),
  );
