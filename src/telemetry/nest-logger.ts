import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

/** Nest's own lines, in the gateway's log. What Nest says while it starts is of interest only when something is wrong: `debug`. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...more: unknown[]): void {
    this.logger.debug({ context: contextOf(more) }, String(message));
  }
  verbose(message: unknown, ...more: unknown[]): void {
    this.logger.trace({ context: contextOf(more) }, String(message));
  }
  debug(message: unknown, ...more: unknown[]): void {
    this.logger.debug({ context: contextOf(more) }, String(message));
  }
  warn(message: unknown, ...more: unknown[]): void {
    this.logger.warn({ context: contextOf(more) }, String(message));
  }
  error(message: unknown, ...more: unknown[]): void {
    this.logger.error(
      { context: contextOf(more), ...errorFields(message, more) },
      message instanceof Error ? message.message : String(message),
    );
  }
  fatal(message: unknown, ...more: unknown[]): void {
    this.logger.fatal(
      { context: contextOf(more), ...errorFields(message, more) },
      message instanceof Error ? message.message : String(message),
    );
  }
}

/** Nest hands over the context as the last text. */
function contextOf(more: readonly unknown[]): string | undefined {
  const last = more.at(-1);
  return typeof last === 'string' ? last : undefined;
}

/** Nest hands over an error either itself or as a stack before the context. */
function errorFields(message: unknown, more: readonly unknown[]): object {
  const error = [message, ...more].find((part) => part instanceof Error);
  if (error) return { err: error };
  return more.length > 1 && typeof more[0] === 'string' ? { stack: more[0] } : {};
}
