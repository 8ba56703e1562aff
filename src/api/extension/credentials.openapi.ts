import { applyDecorators, type Type } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiQuery } from '@nestjs/swagger';
import { ApiErrors } from '../http/error.dto';

const described = (operationId: string, summary: string, answer: Type, ...statuses: readonly (404 | 409 | 413 | 415)[]): MethodDecorator =>
  applyDecorators(ApiOperation({ operationId, summary }), ApiOkResponse({ type: answer, description: '' }), ApiErrors(...statuses));

export const ApiListCredentials = (operationId: string, summary: string, answer: Type): MethodDecorator =>
  described(operationId, summary, answer);

export const ApiSaveCredential = (operationId: string, summary: string, body: Type, answer: Type): MethodDecorator =>
  applyDecorators(described(operationId, summary, answer, 409, 413, 415), ApiBody({ type: body }));

export const ApiRemoveCredential = (operationId: string, summary: string, query: string, answer: Type): MethodDecorator =>
  applyDecorators(described(operationId, summary, answer, 404), ApiQuery({ name: query, type: String, required: true }));
