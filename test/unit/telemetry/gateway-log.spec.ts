import { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { TransferError } from '../../../src/ports/errors';
import { createLog, engineLog } from '../../../src/telemetry/gateway-log';
import { NestLogger } from '../../../src/telemetry/nest-logger';

const written = (format: 'json' | 'pretty' = 'json', level = 'debug') => {
  const lines: string[] = [];
  const log = createLog(
    { level, format },
    new Writable({
      write: (line, _encoding, done) => {
        lines.push(String(line));
        done();
      },
    }),
  );
  return { log, lines, first: () => JSON.parse(lines[0] ?? '{}') as Record<string, unknown> };
};

describe('the log', () => {
  it('writes one JSON object a line, with level, time and the fields', () => {
    const { log, lines, first } = written();
    engineLog(log).warn('backend away', { backend: 'local', task: 'abc', attempt: 2 });
    expect(lines).toHaveLength(1);
    expect(first()).toEqual({ level: 'warn', time: expect.any(String), backend: 'local', task: 'abc', attempt: 2, msg: 'backend away' });
  });

  it('writes for the eye when told to', async () => {
    const { log, lines } = written('pretty');
    log.info({ task: 'abc' }, 'task running');
    while (lines.length === 0) await setImmediate();
    expect(lines.join('')).toContain('task running');
    expect(lines.join('')).toContain('abc');
  });

  it('leaves out what is below the level', () => {
    const { log, lines } = written('json', 'warn');
    log.info('quiet');
    expect(lines).toEqual([]);
  });

  it.each(['content', 'env', 'authorization', 'password', 'request'])('never writes the value of %s, on three levels', (key) => {
    const { log, lines } = written();
    log.info({ [key]: 'hunter2', task: { [key]: { deep: 'hunter2' }, inner: { [key]: 'hunter2' } } }, 'seen');
    expect(lines.join('')).toContain('seen');
    expect(lines.join('')).not.toContain('hunter2');
  });

  it.each([
    'https://user:hunter2@host/x',
    'ftp://user:hunter2@host/x',
    's3://key:hunter2@bucket',
    'HTTPS://hunter2@host',
    'http:user:hunter2@host/x',
    'http:\\\\user:hunter2@host/x',
  ])('masks the userinfo of %s in messages, fields and errors', (url) => {
    const { log, lines } = written();
    log.error({ url, err: new TransferError(`cannot read ${url}`, { retryable: false, cause: new Error(url) }) }, `failed: ${url} (again)`);
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines.join('')).toContain('***@');
    expect(() => void JSON.parse(lines[0] ?? '')).not.toThrow();
  });

  it.each(['https://h/x?a=1&X-Amz-Signature=hunter2', 'https://h/x?sig=hunter2"hunter2&b=2', 's3://b/k?token=a\\hunter2'])(
    'masks the signature of %s in messages, fields and errors',
    (url) => {
      const { log, lines } = written();
      log.error(
        { url, err: new TransferError(`cannot read ${url}`, { retryable: false, cause: new Error(url) }) },
        `failed: ${url} (again)`,
      );
      expect(lines.join('')).not.toContain('hunter2');
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: expect.stringMatching(/^failed: .*\*\*\*.* \(again\)$/) as string });
    },
  );

  it('leaves text with an @ that is no userinfo as it is', () => {
    const { log, first } = written();
    log.info('mail a@b.org, see https://host/path@2x.png');
    expect(first()['msg']).toBe('mail a@b.org, see https://host/path@2x.png');
  });

  it("writes an error's own words and those of its causes, and nothing that a library hung on it", () => {
    const { log, first, lines } = written();
    const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET', config: { headers: { cookie: 'hunter2' } } });
    log.error({ err: new TransferError('cannot read', { retryable: true, cause }) }, 'failed');
    expect(first()['err']).toMatchObject({
      type: 'TransferError',
      code: 'TRANSFER_ERROR',
      message: 'cannot read',
      cause: { code: 'ECONNRESET', message: 'reset' },
    });
    expect(lines.join('')).not.toContain('hunter2');
  });

  it('survives an error that is its own cause', () => {
    const { log, lines } = written();
    const error = new Error('round');
    error.cause = error;
    log.error({ err: error }, 'failed');
    expect(lines).toHaveLength(1);
  });

  it("takes Nest's lines: starting at debug, errors with their stack", () => {
    const { log, lines } = written('json', 'info');
    const nest = new NestLogger(log);
    nest.log('Nest application successfully started', 'NestApplication');
    expect(lines).toEqual([]);
    nest.error(new Error('broken'), 'Router');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', context: 'Router', msg: 'broken', err: { message: 'broken' } });
  });
});
