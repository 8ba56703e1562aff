import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import { build as pretty } from 'pino-pretty';
import type { EngineLog } from '../engine/engine-log';
import { SECRET_MEMBER } from '../task/url';
import { standardOutput } from './standard-streams';

export interface LogSettings {
  readonly level: string;
  /** `json`: one object a line. `pretty`: for the eye. */
  readonly format: 'json' | 'pretty';
}

const MASK = '[masked]';
/** Keys whose values are never written, wherever they stand up to two levels down: what users send, and what proves who they are. */
const NEVER_WRITTEN = [
  'content',
  'env',
  'request',
  'requestJson',
  'body',
  'command',
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
].flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/**
 * The gateway's log: pino on stdout. No secret, no `content`, no value of `env` and no userinfo or signature of a URL gets through, whoever calls it:
 * keys are masked by name, and these in the finished line, so that it is found in error messages too.
 */
export function createLog(settings: LogSettings, destination: Writable = standardOutput()): Logger {
  const options = {
    level: settings.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: NEVER_WRITTEN, censor: MASK },
    serializers: { err: describeError },
    hooks: { streamWrite: maskUrlsInLine },
  };
  if (settings.format === 'json') return pino(options, destination);
  return pino(options, pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss.l', destination }));
}

/** The log as the engine wants it; the fields go beside the message. */
export function engineLog(log: Logger): EngineLog {
  return {
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
  };
}

const LONGEST_CAUSE_CHAIN = 5;

/** Of an error only its own words: libraries hang whole requests on theirs, with headers and bodies. */
function describeError(error: unknown, depth = 0): unknown {
  if (typeof error !== 'object' || error === null) return String(error);
  const { name, message, stack, code, cause } = error as Partial<Error> & { code?: unknown };
  return {
    type: name,
    message,
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && depth < LONGEST_CAUSE_CHAIN && { cause: describeError(cause, depth + 1) }),
  };
}

/** As `task/url`, for URLs anywhere in a line of JSON, where quotes and spaces end them. Schemes browsers read leniently need no `//`. */
const USERINFO = /((?:\b(?:https?|ftps?|wss?):[/\\]*)|(?:\b[a-z][a-z0-9+.-]*:\/\/))[^/\\?#\s"]*@/gi;

/** What JSON escapes stays in one piece. */
const SIGNED = new RegExp(`(${SECRET_MEMBER})(?:\\\\.|[^&#\\s"\\\\])+`, 'gi');

function maskUrlsInLine(line: string): string {
  const masked = line.includes('@') ? line.replace(USERINFO, '$1***@') : line;
  return masked.includes('=') ? masked.replace(SIGNED, '$1***') : masked;
}
