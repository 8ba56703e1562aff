import { Readable } from 'node:stream';
import { PulsarRestClient } from '../../../../src/backends/pulsar/pulsar-rest.client';
import { BackendError } from '../../../../src/ports/errors';
import { FakePulsar, hangUp, say, sayHalf } from './fake-pulsar';

const TOKEN = 'hunter2';
const never = new AbortController().signal;
const PAGE = '<html><body>Sign in to continue</body></html>';
const RUNNING = '{"complete": "false", "status": "running", "job_id": "a"}';

describe('the REST client of Pulsar', () => {
  let server: FakePulsar;
  let client: PulsarRestClient;

  beforeAll(async () => {
    server = await new FakePulsar().start();
    client = new PulsarRestClient({ name: 'far', url: server.url, token: TOKEN }, '');
  });
  afterAll(async () => {
    await client.close();
    await server.stop();
  });

  const faultOf = async (work: Promise<unknown>): Promise<BackendError> => {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof BackendError)) throw new Error(`no BackendError but ${String(error)}`);
    // What a log or a task may ever show of it.
    const shown = JSON.stringify([
      error.message,
      error.publicMessage,
      error.stack,
      String(error.cause),
      error.cause,
      Object.entries(error),
    ]);
    expect(shown).not.toContain(TOKEN);
    return error;
  };

  it.each([
    ['a page in place of JSON, with 200', say(PAGE), { unavailable: true }, "not Pulsar's"],
    ['JSON that is no object', say('[1]'), { unavailable: true }, "not Pulsar's"],
    ['half a document', say(RUNNING.slice(0, 20)), { unavailable: true }, "not Pulsar's"],
    ['an answer that breaks off', sayHalf(RUNNING), { unavailable: true }, 'dropped the connection'],
    ['a wrong token', say('<html>401</html>', 401), { unavailable: true }, 'does not take the token'],
    ['502 of a proxy', say(PAGE, 502), { unavailable: true }, 'is away: 502'],
    ['503', say('', 503), { unavailable: true }, 'is away: 503'],
    ['404', say('', 404), { unavailable: true }, 'is its address right'],
    ['a redirect', say('', 302), { unavailable: true }, 'which is not followed'],
    ["an error of the server's own", say('Internal Server Error', 500), { unavailable: false, retryable: true }, '(500)'],
    ['a connection that is dropped', hangUp, { unavailable: true }, 'dropped the connection'],
    ['a status that is no word', say('{"status": 5}'), { unavailable: true }, "not Pulsar's"],
  ])('says what is wrong with %s, and never the token', async (_name, answer, shape, words) => {
    server.will(answer);
    const error = await faultOf(client.status('a', never));
    expect(error).toMatchObject(shape);
    expect(error.publicMessage).toContain(words);
  });

  it('tries once more after a dropped connection, and only then', async () => {
    server.will(hangUp, say(RUNNING));
    expect(await client.status('a', never)).toBe('underway');
    expect(server.asked).toHaveLength(2);
    server.will(say('', 502));
    await faultOf(client.status('a', never));
    expect(server.asked).toHaveLength(1);
  });

  it('reads no more than it wants of an answer', async () => {
    server.will(say('x'.repeat(5000)));
    expect((await faultOf(client.get('a', 'n', 1000, never))).publicMessage).toContain('longer than 1000 bytes');
  });

  it('takes a bare 500 for a file as its absence, and nothing else', async () => {
    server.will(say('<html>', 500));
    expect(await client.get('a', 'n', 1000, never)).toBeUndefined();
    server.will(say('<html>', 502));
    await faultOf(client.get('a', 'n', 1000, never));
    server.will(say('bytes'));
    expect((await client.get('a', 'n', 1000, never))?.bytes.toString()).toBe('bytes');
  });

  it('refuses a server that names jobs by itself, or no directory', async () => {
    server.will(say('{"job_id": "other", "job_directory": "/x"}'));
    expect(await faultOf(client.make('a', never))).toMatchObject({ retryable: false });
    server.will(say('{"job_id": "a", "job_directory": "relative"}'));
    await faultOf(client.make('a', never));
    server.will(say('{"job_id": "a", "job_directory": "/staging/a"}'));
    expect(await client.make('a', never)).toBe('/staging/a');
  });

  it('asks a named manager under its own path', async () => {
    const named = new PulsarRestClient({ name: 'far', url: server.url, token: '', manager: 'gpu' }, '');
    server.will(say(RUNNING));
    await named.status('a', never);
    expect(server.asked).toEqual(['GET /managers/gpu/jobs/a/status']);
    await named.close();
  });

  it('lets no more than three transfers go at once, and short calls pass them', async () => {
    let open = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    server.will((request, response) => {
      if ((request.url ?? '').includes('/status')) {
        response.end(RUNNING);
        return;
      }
      most = Math.max(most, (open += 1));
      waiting.push(() => {
        open -= 1;
        response.end('{"path": "/x"}');
      });
    });
    const sent = Array.from({ length: 7 }, (_, index) => client.send('a', `f${index}`, Readable.from([Buffer.from('x')]), never));
    let done = 0;
    for (const one of sent) void one.then(() => (done += 1));
    while (done < sent.length) {
      while (waiting.length === 0 && done < sent.length) await new Promise((resolve) => setImmediate(resolve));
      expect(await client.status('a', never)).toBe('underway');
      waiting.shift()?.();
    }
    expect(most).toBe(3);
  });

  it('says that a server is away when nobody listens', async () => {
    const gone = new PulsarRestClient({ name: 'far', url: 'http://127.0.0.1:9', token: TOKEN }, '');
    expect(await faultOf(gone.health(never))).toMatchObject({
      unavailable: true,
      publicMessage: expect.stringContaining('ECONNREFUSED') as string,
    });
    await gone.close();
  });

  it('stops when its caller does', async () => {
    server.will(() => undefined);
    const caller = new AbortController();
    const asked = client.status('a', caller.signal);
    setImmediate(() => caller.abort());
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});
