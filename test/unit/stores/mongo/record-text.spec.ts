import { randomBytes } from 'node:crypto';
import { queuedTask } from '../../../support/records';
import { StoreError } from '../../../../src/ports/errors';
import { fitRecord } from '../../../../src/stores/mongo/record-text';

it('a record that no document can hold is an error of the run that names what is too large, and not tried again', () => {
  const task = { ...queuedTask(), systemLogs: [randomBytes(3 * 2 ** 20).toString('base64')] };
  const fit = () => fitRecord(task, JSON.stringify, 2 ** 20);
  expect(fit).toThrow(StoreError);
  expect(fit).toThrow(
    expect.objectContaining({
      retryable: false,
      publicMessage: expect.stringContaining('too large for the task store') as string,
    }) as Error,
  );
});
