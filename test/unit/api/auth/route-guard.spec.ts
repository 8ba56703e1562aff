import { Authenticator, type Credentials, type Principal } from '../../../../src/ports/authenticator';
import { Unauthenticated } from '../../../../src/ports/errors';
import { sharedApi } from '../http-app';
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
  const tasks = { get: (principal: Principal) => Promise.resolve(JSON.stringify(principal.owner)), countsOf: () => Promise.resolve({}) };
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
