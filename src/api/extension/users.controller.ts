import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { type KnownUser, UserList } from '../../engine/user-list';
import { Rules } from '../auth/route-rules';
import { JsonAnswer } from '../http/json-answer.decorator';
import type { PageRequest } from '../tasks/list-query';
import { PageQuery } from '../tasks/request-parts.decorator';
import { ApiListUsers, type UserDto, type UserListDto } from './users.dto';

/** Who uses this server, for admins. */
@ApiTags('Extensions')
@Controller('ext/v1')
export class UsersController {
  constructor(private readonly users: UserList) {}

  @Get('users')
  @Rules({ roles: ['admin'], scope: 'admin', counted: 'lists' })
  @JsonAnswer()
  @ApiListUsers()
  async listUsers(@PageQuery() { size, token }: PageRequest) {
    const { users, nextPageToken } = await this.users.page(size, token);
    return JSON.stringify({ users: users.map(shown), next_page_token: nextPageToken } satisfies UserListDto);
  }
}

function shown({ lastTaskAt, ...user }: KnownUser): UserDto {
  return { ...user, ...(lastTaskAt !== undefined && { last_task_at: new Date(lastTaskAt).toISOString() }) };
}
