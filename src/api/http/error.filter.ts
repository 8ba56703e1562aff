import { type ArgumentsHost, Catch, type ExceptionFilter, Inject, Logger } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { API_SETTINGS, type ApiSettings } from '../api-settings';
import { answerFor } from './error-answer';
import { MethodNotServed } from './method-not-served';

/** Turns whatever a route threw into `{code, message, details?}` with the right status, and logs what was not expected. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Api');

  constructor(@Inject(API_SETTINGS) private readonly settings: ApiSettings) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const answer = answerFor(error, this.settings.bodyLimitBytes);
    if (answer.unexpected) this.logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    if (error instanceof MethodNotServed) reply.header('allow', error.allowed.join(', '));
    if (answer.retryAfterSeconds !== undefined) reply.header('retry-after', String(answer.retryAfterSeconds));
    reply.code(answer.status).header('content-type', 'application/json').send(JSON.stringify(answer.body));
  }
}
