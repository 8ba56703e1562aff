import { applyDecorators, Header, HttpCode } from '@nestjs/common';

/** 200 with JSON text that is ready to send: the services write it themselves, and nothing serialises it again. */
export const JsonAnswer = (): MethodDecorator => applyDecorators(HttpCode(200), Header('content-type', 'application/json'));
