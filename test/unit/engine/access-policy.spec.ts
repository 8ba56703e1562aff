import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AccessPolicy } from '../../../src/engine/access-policy';
import type { Principal } from '../../../src/ports/authenticator';
import { Forbidden, InvalidRequest, TaskNotFound } from '../../../src/ports/errors';
import type { Job } from '../../../src/ports/execution-backend';
import { queuedTask } from '../../support/records';
import type { Script } from '../../support/scripted-backend';

const person = (name: string, ...groups: string[]): Principal => ({ kind: 'user', owner: name, name, groups, roles: ['user'] });
const [ann, bob, eve] = [person('ann', 'lab'), person('bob', 'lab', 'other'), person('eve', 'other')];
const operator: Principal = { ...person('operator'), roles: ['admin'] };

describe('AccessPolicy', () => {
  it('lets a principal read its own tasks, and those of its groups where the settings say so, in one order', () => {
    expect(new AccessPolicy().mayRead(bob)).toEqual(['owner bob']);
    expect(new AccessPolicy('group').mayRead(person('bob', 'b', 'a', 'b'))).toEqual(['owner bob', 'group a', 'group b']);
    expect(new AccessPolicy('all').mayRead(eve)).toBeUndefined();
    expect(new AccessPolicy().mayRead(operator)).toBeUndefined();
  });

  it('never takes a principal for a group of the same name', () => {
    const policy = new AccessPolicy('group');
    expect(policy.mayCancel(person('lab'), queuedTask({ owner: 'ann', groups: ['lab'] }))).toBe(false);
    expect(policy.mayCancel(person('x', 'ann'), queuedTask({ owner: 'ann', groups: ['lab'] }))).toBe(false);
    expect(policy.mayCancel(bob, queuedTask({ owner: 'ann', groups: ['lab'] }))).toBe(true);
  });

  it('lets everybody cancel its own only, where everybody reads everything', () => {
    const policy = new AccessPolicy('all');
    expect(policy.mayCancel(eve, queuedTask({ owner: 'ann', groups: ['other'] }))).toBe(false);
    expect(policy.mayCancel(ann, queuedTask({ owner: 'ann' }))).toBe(true);
    expect(policy.mayCancel(operator, queuedTask({ owner: 'ann' }))).toBe(true);
  });

  it('counts a bounded number of groups, the same for what is created and what is read', () => {
    const many = person('ann', ...Array.from({ length: 500 }, (_, index) => `group-${999 - index}`));
    const { groups } = new AccessPolicy().created(many);
    expect(groups).toHaveLength(31);
    expect(new AccessPolicy('group').mayRead(many)?.slice(1)).toEqual(groups?.map((group) => `group ${group}`));
  });
});

describe('a job', () => {
  it('is handed to its backend with the owner that its task was created by, whoever looks after it', async () => {
    const owners: Job['owner'][] = [];
    const life: Script['life'] = ({ owner }) => {
      owners.push(owner);
      return { looks: 0, ending: { phase: owners.length === 2 ? 'lost' : 'succeeded' } };
    };
    const bench = await EngineBench.start({ life });
    try {
      const made = [{ ...bob, owner: 'issuer|1', name: 'Bob B.' }, ann].map((who) =>
        bench.service.create(who, REQUEST, { basePath: '/v1' }),
      );
      for (const id of await Promise.all(made)) await bench.done(id);
    } finally {
      await bench.stop();
    }
    const called = { key: 'issuer|1', name: 'Bob B.', groups: ['lab', 'other'] };
    // One of them was lost, and is another attempt of the same owner.
    expect(new Set(owners.map((owner) => JSON.stringify(owner)))).toEqual(
      new Set([called, { key: 'ann', name: 'ann', groups: ['lab'] }].map((owner) => JSON.stringify(owner))),
    );
    expect(owners).toHaveLength(3);
  });
});

describe('a task of somebody else', () => {
  let bench: EngineBench;
  afterEach(() => bench.stop());

  const idsOf = async (who: Principal): Promise<string[]> => {
    const list = JSON.parse(await bench.service.list(who, { view: 'MINIMAL', pageSize: 10 })) as { tasks: { id: string }[] };
    return list.tasks.map(({ id }) => id);
  };
  const createdBy = (who: Principal): Promise<string> => bench.service.create(who, REQUEST, { basePath: '/v1' });

  it('is not there in get, list, cancel, explain and restore, and the page token of one is refused from another', async () => {
    bench = await EngineBench.start();
    const ids = [await createdBy(ann), await createdBy(ann)];
    const [id = ''] = ids;
    for (const who of [bob, eve]) {
      for (const view of ['MINIMAL', 'BASIC', 'FULL'] as const)
        await expect(bench.service.get(who, id, view)).rejects.toBeInstanceOf(TaskNotFound);
      await expect(bench.service.cancel(who, id)).rejects.toBeInstanceOf(TaskNotFound);
      await expect(bench.service.explain(who, id)).rejects.toBeInstanceOf(TaskNotFound);
      await expect(bench.service.restoreOutputs(who, id)).rejects.toBeInstanceOf(TaskNotFound);
      expect(await idsOf(who)).toEqual([]);
    }
    expect(await idsOf(ann)).toEqual(ids.reverse());
    const page = JSON.parse(await bench.service.list(ann, { view: 'MINIMAL', pageSize: 1 })) as { next_page_token: string };
    await expect(bench.service.list(bob, { view: 'MINIMAL', pageSize: 1, pageToken: page.next_page_token })).rejects.toBeInstanceOf(
      InvalidRequest,
    );
  });

  it('is there for who shares a group, as long as the settings let groups see each other', async () => {
    bench = await EngineBench.start({}, {}, { access: 'group' });
    const id = await createdBy(ann);
    expect(await idsOf(bob)).toEqual([id]);
    expect(await idsOf(eve)).toEqual([]);
    await expect(bench.service.get(eve, id, 'MINIMAL')).rejects.toBeInstanceOf(TaskNotFound);
    await bench.service.cancel(bob, id);
    expect(JSON.parse(await bench.service.get(ann, id, 'MINIMAL'))).toMatchObject({ state: expect.stringMatching(/^CANCEL/) as string });
  });

  it('may be read and not be cancelled where everybody reads everything', async () => {
    bench = await EngineBench.start({}, {}, { access: 'all' });
    const id = await createdBy(ann);
    expect(await idsOf(eve)).toEqual([id]);
    await expect(bench.service.cancel(bob, id)).rejects.toBeInstanceOf(Forbidden);
  });
});
