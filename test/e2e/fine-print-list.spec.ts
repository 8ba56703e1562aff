import { sharedGateway, TestGateway } from './app';
import { Client } from './client';

describe('ListTasks', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port);

  it('fine print 75: lists queued, active and ended tasks', async () => {
    const running = await client.create({ tags: { life: 'run', set: '75' }, resources: { cpu_cores: 64 } });
    await client.until(running, 'RUNNING');
    const queued = await client.create({ tags: { set: '75' }, resources: { cpu_cores: 64 } });
    await client.cancel(running);
    await client.until(queued, 'COMPLETE');
    expect((await client.page('tag_key=set&tag_value=75')).ids).toEqual([queued, running]);
  });

  describe('name_prefix', () => {
    let ids: string[];
    beforeAll(async () => {
      ids = [];
      for (const name of ['p-one', 'p-two', 'P-one', 'p%', 'p_', 'p\u00e9', undefined])
        ids.push(await client.create({ ...(name !== undefined && { name }), tags: { set: '76' } }));
    });

    it.each([
      ['p-', [1, 0]],
      ['p-one', [0]],
      ['P', [2]],
      ['p%', [3]],
      ['p_', [4]],
      ['pé', [5]],
      ['one', []],
      ['', [6, 5, 4, 3, 2, 1, 0]],
    ])('fine print 76: %j is taken literally', async (prefix, found) => {
      const page = await client.page(`name_prefix=${encodeURIComponent(prefix)}&tag_key=set&tag_value=76`);
      expect(page.ids).toEqual(found.map((index) => ids[index]));
    });
  });

  it('fine print 77: state matches exactly', async () => {
    const failed = await client.create({ tags: { life: 'fail', set: '77' } });
    await client.until(failed, 'EXECUTOR_ERROR');
    const done = await client.create({ tags: { set: '77' } });
    await client.until(done, 'COMPLETE');
    expect((await client.page('state=EXECUTOR_ERROR&tag_key=set&tag_value=77')).ids).toEqual([failed]);
    expect((await client.page('state=COMPLETE&tag_key=set&tag_value=77')).ids).toEqual([done]);
    expect((await client.page('state=PAUSED')).ids).toEqual([]);
  });

  it.each<[string, Record<string, string>, boolean]>([
    ['tag_key=foo&tag_value=bar', { foo: 'bar' }, true],
    ['tag_key=foo&tag_value=bar', { foo: 'bat' }, false],
    ['tag_key=foo&tag_value=', { foo: '' }, true],
    ['tag_key=foo&tag_value=bar&tag_key=baz&tag_value=bat', { foo: 'bar', baz: 'bat' }, true],
    ['tag_key=foo&tag_value=bar', { foo: 'bar', baz: 'bat' }, true],
    ['tag_key=foo&tag_value=bar&tag_key=baz&tag_value=bat', { foo: 'bar' }, false],
    ['tag_key=foo&tag_value=', { foo: 'bar' }, true],
    ['tag_key=foo', { foo: 'bar' }, true],
    ['tag_key=foo&tag_value=', {}, false],
    ['tag_key=foo&tag_key=baz&tag_value=bar&tag_value=bat', { foo: 'bar', baz: 'bat' }, true],
    ['tag_key=foo&tag_key=baz&tag_value=bar', { foo: 'bar', baz: 'anything' }, true],
    ['tag_key=foo&tag_value=bar&tag_value=surplus', { foo: 'bar' }, true],
    ['tag_key=foo&tag_key=foo&tag_value=bar&tag_value=bat', { foo: 'bar' }, false],
    ['tag_key=foo&tag_value=BAR', { foo: 'bar' }, false],
    ['tag_key=fo&tag_value=bar', { foo: 'bar' }, false],
    ['tag_key=foo&tag_value=ba%25', { foo: 'bar' }, false],
    ['tag_key=f%20%26%3D&tag_value=%C3%BC%0A', { 'f &=': 'ü\n' }, true],
    ['tag_key=f+o&tag_value=b+r', { 'f o': 'b r' }, true],
    ['tag_key=foo&tag_value=bar&', { foo: 'bar' }, true],
    ['&&tag_key=foo&unknown=1&tag_value=bar', { foo: 'bar' }, true],
  ])('fine print 78 and 79: ?%s and %j: %s', async (query, tags, matches) => {
    // The state narrows the list down to this one task: no other waits.
    const alone = await TestGateway.start();
    try {
      const there = new Client(() => alone.port);
      const id = await there.create({ tags });
      expect((await there.page(query)).ids).toEqual(matches ? [id] : []);
    } finally {
      await alone.stop();
    }
  });

  it('fine print 81: all filters hold together, on every page', async () => {
    const wanted: string[] = [];
    for (let index = 0; index < 12; index++) {
      const fits = index % 2 === 0;
      const id = await client.create({
        name: fits ? 'seven-a' : 'seven-b',
        tags: { set: '81', half: index < 6 ? 'low' : 'high', life: 'done' },
      });
      await client.until(id, 'COMPLETE');
      if (fits && index < 6) wanted.unshift(id);
    }
    const query = 'name_prefix=seven-a&state=COMPLETE&tag_key=set&tag_value=81&tag_key=half&tag_value=low&page_size=1';
    const seen: string[] = [];
    for (let token = ''; ;) {
      const page = await client.page(`${query}&page_token=${token}`);
      seen.push(...page.ids);
      token = page.next;
      if (token === '') break;
    }
    expect(seen).toEqual(wanted);
  });

  it('fine print 82: a page has 256 tasks when nothing is said, at most 2047 whatever is asked', async () => {
    const alone = await TestGateway.start();
    try {
      const there = new Client(() => alone.port);
      const bodies = Array.from({ length: 2060 }, (_, index) => there.create({ tags: { n: String(index) }, resources: { cpu_cores: 64 } }));
      await Promise.all(bodies);
      expect((await there.page('')).ids).toHaveLength(256);
      expect((await there.page('page_size=2047')).ids).toHaveLength(2047);
      for (const size of ['2048', '2060', '2147483647', '99999999999999999999'])
        expect((await there.page(`page_size=${size}`)).ids).toHaveLength(2047);
    } finally {
      await alone.stop();
    }
  });

  it.each(['0', '-1', '1.5', 'ten', '', '1e2', '%00', '+'])('fine print 82: page_size=%s is refused', async (size) => {
    expect(await client.get(`/tasks?page_size=${size}`)).toMatchObject({ status: 400, json: { details: [{ path: 'page_size' }] } });
  });

  it('fine print 83: a page goes on where the last one ended, whatever was added meanwhile', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 10; index++) ids.unshift(await client.create({ tags: { set: '83' } }));
    const seen: string[] = [];
    for (let token = ''; ;) {
      const page = await client.page(`tag_key=set&tag_value=83&page_size=3${token && `&page_token=${token}`}`);
      seen.push(...page.ids);
      await client.create({ tags: { set: '83', late: 'yes' } });
      token = page.next;
      if (token === '') break;
      expect(encodeURIComponent(token)).toBe(token);
    }
    expect(seen).toEqual(ids);
  });

  it.each(['x', 'AAAA', 'null', '%00', '..%2f', 'a'.repeat(3000), '-1', '%F0%9F%92%A9'])(
    'fine print 83: the token %s, which is not ours, is refused',
    async (token) => {
      expect(await client.get(`/tasks?page_token=${token}`)).toMatchObject({ status: 400, json: { code: 'INVALID_REQUEST' } });
    },
  );

  it('fine print 83: a token of other filters is refused', async () => {
    for (let index = 0; index < 3; index++) await client.create({ name: 'tok', tags: { set: '83b' } });
    const { next } = await client.page('tag_key=set&tag_value=83b&page_size=1');
    expect((await client.get(`/tasks?name_prefix=tok&page_size=1&page_token=${next}`)).status).toBe(400);
  });

  it('fine print 84: the last page has a token that says so', async () => {
    const { json } = await client.get('/tasks?tag_key=nobody');
    expect(json).toEqual({ tasks: [], next_page_token: '' });
  });

  it('fine print 85: the newest come first', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) ids.unshift(await client.create({ tags: { set: '85' } }));
    for (const view of ['MINIMAL', 'BASIC', 'FULL']) expect((await client.page(`view=${view}&tag_key=set&tag_value=85`)).ids).toEqual(ids);
  });

  it('ends a page at 8 MiB, with a token, and loses nothing', async () => {
    const content = 'x'.repeat(3 * 2 ** 20);
    const ids: string[] = [];
    for (let index = 0; index < 6; index++) ids.unshift(await client.create({ tags: { set: 'big' }, inputs: [{ path: '/in', content }] }));
    const seen: string[] = [];
    for (let token = ''; ;) {
      const { text, json } = await client.get(`/tasks?view=FULL&tag_key=set&tag_value=big&page_token=${token}`);
      expect(text.length).toBeLessThan(12 * 2 ** 20);
      const page = json as { tasks: { id: string }[]; next_page_token: string };
      expect(page.tasks.length).toBeGreaterThan(0);
      seen.push(...page.tasks.map(({ id }) => id));
      token = page.next_page_token;
      if (token === '') break;
    }
    expect(seen).toEqual(ids);
  });
});
