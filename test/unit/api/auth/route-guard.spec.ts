import { once } from 'node:events';
import { Agent, get as httpGet, type IncomingMessage } from 'node:http';
import { Authenticator, type Credentials, type Principal } from '../../../../src/ports/authenticator';
import { Unauthenticated } from '../../../../src/ports/errors';
import { RequestRates } from '../../../../src/api/auth/request-rates';
import { sharedApi, startApi } from '../http-app';
import { Networks } from '../../../../src/ports/networks';
import { send } from '../raw-http';

const ID = '01234567890123456789012345';

/** Knows one word after its scheme's name; another is bad. */
class OneWord extends Authenticator {
  override readonly challenge: string;
  constructor(
    readonly scheme: string,
    private readonly word: string,
  ) {
    super();
    this.challenge = `${scheme} realm="tes"`;
  }

  authenticate({ headers }: Credentials): Promise<Principal | undefined> {
    const [scheme, word] = String(headers['authorization'] ?? '').split(' ');
    if (scheme?.toLowerCase() !== this.scheme) return Promise.resolve(undefined);
    if (word !== this.word && word !== 'norole') return Promise.reject(new Unauthenticated(`bad ${this.scheme}`));
    return Promise.resolve({
      kind: 'user',
      owner: `${this.scheme}:${word}`,
      name: word,
      groups: [],
      roles: word === 'norole' ? [] : ['user'],
    });
  }
}

describe('the guard of the routes', () => {
  const tasks = {
    get: (principal: Principal) => Promise.resolve(JSON.stringify(principal.owner)),
    countsOf: () => Promise.resolve({}),
    quotaOf: () => Promise.resolve([]),
  };
  const secured = sharedApi({ tasks, authenticators: [new OneWord('basic', 'anna'), new OneWord('bearer', 'token')] });
  const off = sharedApi({ tasks });
  const get = (api: { port: () => number }, authorization?: string) =>
    send(api.port(), 'GET', `/v1/tasks/${ID}`, authorization === undefined ? {} : { authorization });

  it.each([
    ['Basic anna', 'basic:anna'],
    ['Bearer token', 'bearer:token'],
  ])('hands the principal of %s to the route', async (authorization, owner) => {
    const answer = await get(secured, authorization);
    expect([answer.status, answer.body]).toEqual([200, JSON.stringify(owner)]);
  });

  it('answers 401 with the schemes to try when nobody recognises the headers', async () => {
    const answer = await get(secured, 'Digest x');
    expect([answer.status, answer.body]).toEqual([401, '{"code":"UNAUTHENTICATED","message":"authentication is required"}']);
    expect(answer.headers['www-authenticate']).toMatch(/^(basic|bearer) realm="tes"/);
  });

  describe('on a connection that was let in', () => {
    const asked: unknown[] = [];
    class Lasting extends OneWord {
      override authenticate(credentials: Credentials) {
        asked.push(credentials.headers['authorization']);
        return super.authenticate(credentials);
      }
      override stillHolds = () => true;
    }
    const lasting = sharedApi({ tasks, authenticators: [new Lasting('basic', 'anna')] });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    afterAll(() => agent.destroy());
    const again = async (authorization: string | string[]) => {
      const request = httpGet({
        port: lasting.port(),
        path: `/v1/tasks/${ID}`,
        agent,
        headers: { authorization } as Record<string, string | string[]>,
      });
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      answer.resume();
      await once(answer, 'end');
      return [answer.statusCode, request.reusedSocket];
    };

    it('looks at the same credentials once, at others anew, and refuses two', async () => {
      expect(await again('Basic anna')).toEqual([200, false]);
      expect(await again('Basic anna')).toEqual([200, true]);
      expect(asked).toEqual(['Basic anna']);
      expect(await again('Basic bert')).toEqual([401, true]);
      expect(await again(['Basic anna', 'Basic bert'])).toEqual([401, true]);
      expect(asked).toEqual(['Basic anna', 'Basic bert']);
    });
  });

  it('stops at the scheme that recognises its headers and finds them bad', async () => {
    const answer = await get(secured, 'Basic berta');
    expect([answer.status, answer.body]).toEqual([401, '{"code":"UNAUTHENTICATED","message":"bad basic"}']);
  });

  it('refuses who has no role, but for the question who that is', async () => {
    const answer = await get(secured, 'Basic norole');
    expect([answer.status, answer.body]).toEqual([
      403,
      '{"code":"FORBIDDEN","message":"only who has the role user or admin or viewer may do this"}',
    ]);
    const me = await send(secured.port(), 'GET', '/ext/v1/me', { authorization: 'Basic norole' });
    expect([me.status, JSON.parse(me.body)]).toEqual([200, expect.objectContaining({ name: 'norole', roles: [], tasks: {} })]);
  });

  it('does not guard service-info', async () => {
    expect((await send(secured.port(), 'GET', '/service-info')).status).toBe(200);
  });

  it.each(['Basic Tm9uZTpOb25l', 'Basic Og==', 'Basic', 'Bearer \xff\xfe', 'nonsense', ''])(
    'ignores %j when authentication is off',
    async (authorization) => {
      const answer = await get(off, authorization);
      expect([answer.status, answer.body]).toEqual([200, '"anonymous"']);
    },
  );
});

describe('the rates of requests', () => {
  const tasks = {
    create: () => Promise.resolve(ID),
    list: () => Promise.resolve('{}'),
    get: () => Promise.resolve('{}'),
    explain: ({ owner }: Principal) => Promise.reject(new Error(owner)),
    countsOf: () => Promise.resolve({}),
    quotaOf: () => Promise.resolve([{ setting: 'limits.max_tasks_of_user', kind: 'user' as const, of: 'basic:anna', most: 9, used: 2 }]),
  };
  let app: Awaited<ReturnType<typeof startApi>>;
  beforeAll(async () => {
    const rates = new RequestRates({ creates: { ofUser: 2, ofAddress: 3 }, lists: { ofUser: 1, ofAddress: 0 } }, () => 0);
    app = await startApi({ tasks, authenticators: [new OneWord('basic', 'anna'), new OneWord('bearer', 'token')], rates });
  });
  afterAll(() => app.close());
  const ask = (method: 'GET' | 'HEAD' | 'POST', url: string, authorization: string, remoteAddress = '192.0.2.1', payload = '') =>
    app.getHttpAdapter().getInstance().inject({ method, url, headers: { authorization }, remoteAddress, payload });

  it('answer 429 with Retry-After before the body is read, to who is over alone', async () => {
    const body = JSON.stringify({ executors: [{ image: 'x', command: ['true'] }] });
    const create = (who: string, from?: string, payload = body) => ask('POST', '/v1/tasks', who, from, payload);
    for (let at = 0; at < 2; at += 1) expect((await create('Basic anna')).statusCode).toBe(200);
    const over = await create('Basic anna', '192.0.2.2', 'no JSON');
    expect([over.statusCode, over.headers['retry-after'], over.headers['content-type']]).toEqual([
      429,
      '30',
      'application/json; charset=utf-8',
    ]);
    expect(over.json()).toEqual({ code: 'TOO_MANY_REQUESTS', message: expect.stringContaining('(setting rates.creates)') as string });
    expect((await create('Bearer token')).statusCode).toBe(200);
    // The address has sent three.
    const next = await create('Bearer token');
    expect([next.statusCode, next.json()]).toMatchObject([
      429,
      { message: expect.stringContaining('rates.creates_per_address') as string },
    ]);
    expect((await create('Bearer token', '192.0.2.3')).statusCode).toBe(200);
  });

  it('count a HEAD of the list as a list, and no question about single tasks', async () => {
    expect((await ask('HEAD', '/ga4gh/tes/v1/tasks', 'Basic anna')).statusCode).toBe(200);
    expect((await ask('GET', '/v1/tasks?page_size=9', 'Basic anna')).statusCode).toBe(429);
    for (let at = 0; at < 9; at += 1) expect((await ask('GET', `/v1/tasks/${ID}`, 'Basic anna')).statusCode).toBe(200);
  });

  it('count no request that is refused for its credentials', async () => {
    for (let at = 0; at < 9; at += 1) expect((await ask('GET', '/v1/tasks', 'Bearer wrong')).statusCode).toBe(401);
    expect((await ask('GET', '/v1/tasks', 'Bearer token')).statusCode).toBe(200);
  });

  it('and the quota are shown to everybody for themselves', async () => {
    expect((await ask('GET', '/ext/v1/me', 'Basic anna')).json()).toMatchObject({
      limits: [
        { setting: 'limits.max_tasks_of_user', most: 9, used: 2 },
        { setting: 'rates.creates', most: 2, used: 2 },
        { setting: 'rates.lists', most: 1, used: 1 },
      ],
    });
  });
});

describe('the address that a login counts for', () => {
  const seen: string[] = [];
  class Addresses extends OneWord {
    override authenticate(credentials: Credentials): Promise<Principal | undefined> {
      seen.push(credentials.address);
      return super.authenticate(credentials);
    }
  }
  const behind = { tasks: { get: () => Promise.resolve('{}') }, authenticators: [new Addresses('basic', 'anna')] };
  const near = sharedApi(behind, { proxies: new Networks(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']) });
  const far = sharedApi(behind, { proxies: new Networks(['10.0.0.0/8', '192.0.2.1']) });
  const none = sharedApi(behind);
  const addressOf = async (api: { port: () => number }, forwarded: string): Promise<string | undefined> => {
    await send(api.port(), 'GET', `/v1/tasks/${ID}`, { authorization: 'Basic anna', 'x-forwarded-for': forwarded });
    return seen.pop();
  };

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1, 10.0.0.7', '192.0.2.1'],
    ['fd00::9,192.0.2.1 ,10.0.0.7,  fd00::1', '192.0.2.1'],
    // What the client itself sent stands before what a proxy has seen.
    ['127.0.0.1, 198.51.100.1, 192.0.2.1', '192.0.2.1'],
    ['::ffff:10.0.0.7', '::ffff:10.0.0.7'],
    ['2001:db8::5', '2001:db8::5'],
    ['unknown', '127.0.0.1'],
    ['192.0.2.1:4711', '127.0.0.1'],
    [`${'x'.repeat(9000)}`, '127.0.0.1'],
    ['', '127.0.0.1'],
  ])('is, where a proxy that is trusted says %.40j, %s', async (forwarded, address) =>
    expect(await addressOf(near, forwarded)).toBe(address),
  );

  it.each(['192.0.2.1', '10.0.0.7', '192.0.2.1, 10.0.0.7'])('is that of the connection where somebody else says %s', async (forwarded) => {
    expect(await addressOf(far, forwarded)).toBe('127.0.0.1');
    expect(await addressOf(none, forwarded)).toBe('127.0.0.1');
  });
});
