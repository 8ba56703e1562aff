import { TransferError } from '../../../../src/ports/errors';
import { fileError } from '../../../../src/storage/file/file-errors';

const failing = (code: string): Error => Object.assign(new Error('internal words'), { code });

describe('fileError', () => {
  it.each([
    ['ENOENT', false, true, 'no such file'],
    ['EACCES', false, false, 'permission denied'],
    ['EROFS', false, false, 'read-only'],
    ['ENOSPC', true, false, 'no space left'],
    ['EDQUOT', true, false, 'quota'],
    ['EIO', true, false, 'input/output'],
    ['EMFILE', true, false, 'too many open files'],
    ['ESOMETHING', true, false, 'ESOMETHING'],
  ])('reads %s as retryable %s, not found %s', (code, retryable, notFound, words) => {
    const error = fileError(failing(code), '/data/x cannot be read');
    expect(error).toBeInstanceOf(TransferError);
    expect(error).toMatchObject({ retryable, notFound, publicMessage: expect.stringContaining(words) as string });
    expect((error as TransferError).publicMessage).toMatch(/^\/data\/x cannot be read: /);
  });

  it.each(['ENOSPC', 'EDQUOT', 'EIO', 'ESTALE', 'ETIMEDOUT', 'ENOTCONN', 'EHOSTDOWN'])('waits for what says %s', (code) => {
    expect(fileError(failing(code), 'x')).toMatchObject({ retryable: true, unavailable: true, away: {} });
  });

  it.each(['ENOENT', 'EACCES', 'EROFS', 'EMFILE', 'ESOMETHING'])('waits not for what says %s', (code) => {
    expect(fileError(failing(code), 'x')).toMatchObject({ unavailable: false, away: undefined });
  });

  it('leaves a stop, a bug and what is translated already as they are', () => {
    for (const error of [failing('ABORT_ERR'), new TypeError('bug'), new TransferError('known', { retryable: true })]) {
      expect(fileError(error, 'x')).toBe(error);
    }
  });
});
