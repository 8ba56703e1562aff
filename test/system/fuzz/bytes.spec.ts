import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describeEngine } from '../engines';
import { Random, SEED } from '../../support/random';
import { type RunningServer, startServer } from '../server';

const REQUESTS = 6000;
const ALLOWED_5XX = [503, 507];

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** The answers on one connection, one after the other; one that was cut off is left out. */
function answersOf(bytes: Buffer): readonly Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) return answers;
    const head = bytes.toString('latin1', at, end);
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    const body = bytes.toString('utf8', end + 4, end + 4 + length);
    at = end + 4 + length;
    if (at > bytes.length) return answers;
    answers.push({ status: Number(head.slice(9, 12)), type: /^content-type: (.*)$/im.exec(head)?.[1] ?? '', body });
  }
}

/** What is wrong with an answer by our own document: an error is `{code, message, details?}` and nothing else, in JSON. */
function faultOf({ status, type, body }: Answer): string | undefined {
  if (status >= 500 && !ALLOWED_5XX.includes(status)) return 'a fault of the server';
  if (status < 400 || (body === '' && type === '')) return undefined;
  if (!type.startsWith('application/json')) return `an error as ${type}`;
  const { code, message, details, ...others } = JSON.parse(body) as Record<string, unknown>;
  const isRight = typeof code === 'string' && typeof message === 'string' && (details === undefined || Array.isArray(details));
  return isRight && Object.keys(others).length === 0 ? undefined : 'an error off the schema';
}

describeEngine('bubblewrap', 'requests of damaged bytes', (engine) => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await startServer({ engine: engine(), backend: { drain: true }, settings: { logs: { level: 'fatal' } } });
  }, 120_000);
  afterAll(() => server.remove());

  const random = new Random(SEED);

  const task = JSON.stringify({
    name: 'n',
    tags: { a: 'b' },
    inputs: [{ path: '/in/x', content: 'text', type: 'FILE' }],
    outputs: [{ path: '/out/*', path_prefix: '/out', url: 'http://127.0.0.1:9/' }],
    resources: { cpu_cores: 1, ram_gb: 0.5, backend_parameters: { a: 'b' } },
    executors: [{ image: 'busybox', command: ['echo', 'x'], env: { A: 'b' }, stdout: '/out/o' }],
    volumes: ['/v'],
  });
  const requests = (id: string): readonly [string, ...string[]] => [
    `POST /ga4gh/tes/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${task.length}\r\n\r\n${task}`,
    `POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nContent-Length: ${task.length}\r\n\r\n${task}`,
    `GET /v1/tasks?view=BASIC&page_size=5&page_token=abc&name_prefix=n&state=QUEUED&tag_key=a&tag_value=b HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET /ga4gh/tes/v1/tasks/${id}?view=FULL HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic Og==\r\n\r\n`,
    `POST /v1/tasks/${id}%3Acancel HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n`,
    `GET /service-info HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nAccept: application/json\r\n\r\n`,
    `GET /ext/v1/tasks/${id}/logs/0/stdout?offset=3&follow=false HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  ];

  /** A few bytes changed, taken out, doubled or put in; sometimes a number or a bracket, which get further than noise. */
  const damaged = (request: string): Buffer => {
    let bytes = Buffer.from(request, 'latin1');
    for (let change = random.between(1, 4); change > 0; change -= 1) {
      const at = random.between(0, bytes.length - 1);
      const piece = random.pick([
        Buffer.from([random.between(0, 255)]),
        Buffer.from(
          random.pick([
            '"',
            '{',
            '[',
            '-1',
            '1e999',
            'null',
            '\\u0000',
            '\\ud800',
            '%00',
            '%',
            '../',
            '\r\n',
            '\u00ff',
            ':',
            '&',
            ',"__proto__":{}',
            '9'.repeat(30),
          ]),
          'latin1',
        ),
        bytes.subarray(at, at + random.between(1, 40)),
        Buffer.alloc(0),
      ]);
      bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + random.between(0, 2))]);
    }
    return bytes;
  };

  /** Every answer that comes back, in at most a second after the last byte was sent. */
  const send = (bytes: Buffer): Promise<readonly Answer[]> =>
    new Promise((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.end(bytes));
      const chunks: Buffer[] = [];
      socket.setTimeout(1000, () => socket.destroy());
      socket.on('data', (data) => chunks.push(data));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(answersOf(Buffer.concat(chunks))));
    });

  const residentMib = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;

  it(`are answered as our own document says, never 5xx, and memory stays flat (TES_GATEWAY_SEED=${SEED})`, async () => {
    const id = await server.client.create(task);
    const bad: string[] = [];
    let answers = 0;
    const some = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index += 1) {
        const bytes = damaged(random.pick(requests(id)));
        for (const answer of await send(bytes)) {
          answers += 1;
          const fault = faultOf(answer);
          if (fault !== undefined) bad.push(`${answer.status} ${fault}: ${answer.body} to ${JSON.stringify(bytes.toString('latin1'))}`);
        }
      }
    };
    const inParallel = (count: number): Promise<unknown> => Promise.all(Array.from({ length: 8 }, () => some(count / 8)));
    await inParallel(REQUESTS / 2);
    const warm = residentMib();
    await inParallel(REQUESTS / 2);
    expect(bad).toEqual([]);
    expect(answers).toBeGreaterThan(REQUESTS / 4);
    expect(residentMib() - warm).toBeLessThan(64);
    expect((await server.client.get(id)).id).toBe(id);
  }, 300_000);
});
