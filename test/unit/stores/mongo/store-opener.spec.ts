import { StoreError } from '../../../../src/ports/errors';
import { MongoTaskStore } from '../../../../src/stores/mongo/mongo-task-store';

const options = { database: 'd', instance: 'i', maxDueMs: 1000, limits: { selection: 200 } };
/** Nobody listens at port 1. */
const AWAY = 'mongodb://user:geheim@127.0.0.1:1/?replicaSet=rs0';

/** Everything that an error could bring into a log. */
function everythingOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const members = Object.entries(error).map(
    ([name, value]) => `${name}=${value instanceof Error ? everythingOf(value) : JSON.stringify(value)}`,
  );
  return [error.message, error.stack, ...members, error.cause === undefined ? '' : everythingOf(error.cause)].join('\n');
}

const failureOf = (url: string): Promise<StoreError> =>
  MongoTaskStore.open({ ...options, url }).then(
    () => Promise.reject(new Error('it was opened')),
    (error: StoreError) => error,
  );

describe('opening the MongoDB store', () => {
  it.each([
    'mongodb://user:geheim@',
    'mongodb://user:geheim@host:notaport/',
    'mongodb://user:ge@heim@host/',
    'mongodb://us%er:geheim@host/',
    'mongodb://user:geheim@host/?tls=perhaps',
    'mongodb://user:geheim@host/?nosuchoption=geheim',
    'mongodb://user:geheim@host/?authMechanism=geheim',
    'mongodb+srv://user:geheim@host/',
    'http://user:geheim@host/',
    AWAY,
  ])('never shows what is in %s', async (url) => {
    const error = await failureOf(url);
    expect(error).toBeInstanceOf(StoreError);
    expect(everythingOf(error)).not.toContain('geheim');
  });

  it('says of a connection string that cannot be read which setting that is, and does not try again', async () => {
    const error = await failureOf('mongodb://user:geheim@host/?nosuchoption=1');
    expect([error.message, error.retryable]).toEqual(['store.url cannot be read as a connection string', false]);
    await expect(new MongoTaskStore({ ...options, url: 'mongodb://[' }).connect({ patient: true })).rejects.toBeInstanceOf(StoreError);
  });

  it('tries again while the database is away, says so with growing pauses, and stops when it is told to', async () => {
    const lines: string[] = [];
    const store = new MongoTaskStore({ ...options, url: AWAY, onProgress: (line) => lines.push(line) });
    const opened = store.connect({ patient: true }).catch((error: unknown) => error);
    await expect(store.getTask('x')).rejects.toMatchObject({ retryable: true, unavailable: true });
    await expect(store.listMinimal({ pageSize: 1 })).rejects.toBeInstanceOf(StoreError);
    await expect(store.ping()).rejects.toBeInstanceOf(StoreError);
    while (lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await store.close();
    expect(await opened).toBeInstanceOf(StoreError);
    expect(lines[0]).toMatch(/ECONNREFUSED.*tried again in 0\.5 s/);
    expect(lines[1]).toMatch(/tried again in 1 s/);
    expect(lines.join()).not.toContain('geheim');
  });
});
