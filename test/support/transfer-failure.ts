import { TransferError } from '../../src/ports/errors';

/** The `TransferError` with which work ends; anything else fails the test. */
export async function failureOf(work: Promise<unknown>): Promise<TransferError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TransferError);
  return error as TransferError;
}
