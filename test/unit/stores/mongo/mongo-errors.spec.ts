import { mongo } from 'mongoose';
import { StoreError } from '../../../../src/ports/errors';
import { isUncertain, toStoreError, TooSlow } from '../../../../src/stores/mongo/mongo-errors';

const socketError = Object.assign(new Error('write ECONNRESET'), { code: 'ECONNRESET', syscall: 'write', errno: -104 });
const destroyed = Object.assign(new Error('Cannot call write after a stream was destroyed'), { code: 'ERR_STREAM_DESTROYED' });

describe('what the driver throws', () => {
  it.each<[string, Error]>([
    ['an error of the socket, passed on as it is', socketError],
    ['a stream that was ended under a command', destroyed],
    ['a network error', new mongo.MongoNetworkError('connection closed')],
    ['no answer in time', new TooSlow(5)],
  ])('%s: the store is away, and a write may have happened', (_, error) => {
    expect(isUncertain(error)).toBe(true);
    expect(toStoreError(error)).toBeInstanceOf(StoreError);
    expect(toStoreError(error)).toMatchObject({ retryable: true, unavailable: true });
  });

  it('a bug stays what it is', () => {
    const bug = new TypeError('x is not a function');
    expect(isUncertain(bug)).toBe(false);
    expect(toStoreError(bug)).toBe(bug);
  });
});
