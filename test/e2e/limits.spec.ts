import supertest, { type Response } from 'supertest';
import { as, GuardedGateway } from './guarded-gateway';

const TASK = { executors: [{ image: 'x', command: ['true'] }] };
const RUNNING = { ...TASK, tags: { life: 'run' } };

interface Limit {
  readonly setting: string;
  readonly group?: string;
  readonly most: number;
  readonly used: number;
}

describe('the limits of users and groups', () => {
  let gateway: GuardedGateway;
  let api: ReturnType<typeof supertest>;
  beforeAll(async () => {
    const users = '[{name: ann, groups: [lab]}, {name: bob, groups: [lab]}, {name: eve}, {name: kim}]';
    const limits = ['--limits.max_tasks_of_user=3', '--limits.max_tasks_of_group=4', '--rates.creates=8', '--rates.lists=2'];
    gateway = await GuardedGateway.start(['ann', 'bob', 'eve', 'kim'], `--auth.basic.users=${users}`, ...limits);
    api = supertest(`http://127.0.0.1:${gateway.port}`);
  });
  afterAll(() => gateway.stop());
  const create = (who: string, task: object = RUNNING) => api.post('/ga4gh/tes/v1/tasks').set(as(who)).send(task);
  const limitsOf = async (who: string): Promise<readonly Limit[]> =>
    ((await api.get('/ext/v1/me').set(as(who)).expect(200)).body as { limits: Limit[] }).limits;

  it('hold for tasks that have not ended: of one user, then of its group, and nobody else waits', async () => {
    const ids: string[] = [];
    for (let at = 0; at < 3; at += 1) ids.push(((await create('ann').expect(200)).body as { id: string }).id);
    const over = await create('ann').expect(429);
    expect(Number(over.headers['retry-after'])).toBeGreaterThan(0);
    expect(over.body).toEqual({
      code: 'TOO_MANY_REQUESTS',
      message: expect.stringContaining('(setting limits.max_tasks_of_user)') as string,
    });

    await create('bob').expect(200);
    expect((await create('bob').expect(429)).body).toMatchObject({
      message: expect.stringMatching(/^the group basic\|lab has 4 tasks .*limits\.max_tasks_of_group/) as string,
    });
    await create('eve').expect(200);
    expect(await limitsOf('bob')).toEqual([
      { setting: 'limits.max_tasks_of_user', most: 3, used: 1 },
      { setting: 'limits.max_tasks_of_group', group: 'basic|lab', most: 4, used: 4 },
      { setting: 'rates.creates', most: 8, used: expect.any(Number) as number },
      { setting: 'rates.lists', most: 2, used: 0 },
    ]);

    await api.post(`/v1/tasks/${ids[0]}:cancel`).set(as('ann')).expect(200);
    await create('ann').expect(200);
    await create('ann').expect(429);
  });

  it('hold for active tasks apart from waiting ones, and tell who waits for them', async () => {
    const other = await GuardedGateway.start(
      ['ann', 'bob'],
      '--limits.max_active_of_user=1',
      '--auth.basic.users=[{name: ann}, {name: bob}]',
    );
    try {
      const there = supertest(`http://127.0.0.1:${other.port}`);
      const createThere = async (who: string): Promise<string> =>
        ((await there.post('/v1/tasks').set(as(who)).send(RUNNING).expect(200)).body as { id: string }).id;
      const stateOf = async (who: string, id: string): Promise<string> =>
        ((await there.get(`/v1/tasks/${id}`).set(as(who)).expect(200)).body as { state: string }).state;
      const running = async (who: string, id: string): Promise<void> => {
        while ((await stateOf(who, id)) !== 'RUNNING');
      };
      const [first, second] = [await createThere('ann'), await createThere('ann')];
      await running('ann', first);
      await running('bob', await createThere('bob'));
      expect(await stateOf('ann', second)).toBe('QUEUED');
      const { waiting } = (await there.get(`/ext/v1/tasks/${second}`).set(as('ann')).expect(200)).body as { waiting: string[] };
      expect(waiting.join()).toContain('(setting limits.max_active_of_user)');
      const { limits } = (await there.get('/ext/v1/me').set(as('ann')).expect(200)).body as { limits: Limit[] };
      expect(limits).toContainEqual({ setting: 'limits.max_active_of_user', most: 1, used: 1 });
      await there.post(`/v1/tasks/${first}:cancel`).set(as('ann')).expect(200);
      await running('ann', second);
    } finally {
      await other.stop();
    }
  });

  it('let what was taken with its Idempotency-Key before be sent again when there is no place left', async () => {
    const keyed = (task: object) => create('eve', task).set('Idempotency-Key', 'once');
    const { id } = (await keyed(RUNNING).expect(200)).body as { id: string };
    for (let { status } = await create('eve'); status !== 429; { status } = await create('eve')) expect(status).toBe(200);
    expect((await keyed(RUNNING).expect(200)).body).toEqual({ id });
    await keyed({ ...RUNNING, name: 'another' }).expect(409);
  });

  it('hold for how fast one user creates and lists, however many tasks it has; single tasks it may ask for', async () => {
    const untilRefused = async (ask: () => PromiseLike<Response>): Promise<{ readonly sent: number; readonly refused: Response }> => {
      // What time gives back meanwhile is sent as well.
      for (let sent = 0; ; sent += 1) {
        const answer = await ask();
        if (answer.status === 429) return { sent, refused: answer };
      }
    };
    const creates = await untilRefused(() => create('kim', { ...TASK, executors: [] }));
    expect(creates.sent).toBeGreaterThanOrEqual(8);
    expect(creates.refused.body).toMatchObject({ message: expect.stringContaining('(setting rates.creates)') as string });
    expect(Number(creates.refused.headers['retry-after'])).toBeGreaterThan(0);
    const lists = await untilRefused(() => api.get('/v1/tasks').set(as('kim')));
    expect(lists.sent).toBeGreaterThanOrEqual(2);
    await api.get('/v1/tasks').set(as('eve')).expect(200);
    for (let at = 0; at < 20; at += 1) await api.get('/v1/tasks/00000000000000000000000000').set(as('kim')).expect(404);
  });
});
