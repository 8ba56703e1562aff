import { Tries } from '../../../../src/engine/transfers/tries';
import { type StorageAway, TransferError } from '../../../../src/ports/errors';

const signal = new AbortController().signal;

it.each<[string, StorageAway, readonly string[]]>([
  ['of a storage that is away counts against its host', {}, ['http://host/in']],
  ['of a disk that is full does not', { isWorkDisk: true }, []],
])('the last failure %s', async (_words, away, expected) => {
  const seen: string[] = [];
  const tries = new Tries({ tries: 1, onAway: (url) => seen.push(url) }, 'http://host/in');
  const error = new TransferError('it failed', { retryable: true, away });
  await expect(tries.again(error, signal)).rejects.toBe(error);
  expect(seen).toEqual(expected);
});
