import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import { VaultStorage } from '../../support/vault-storage';
import type { TesTaskRequest } from '../../../src/task/tes';

describe('tasks of two owners', () => {
  let bench: EngineBench;
  afterEach(() => bench.stop());

  const requestOf = (owner: string): TesTaskRequest => ({
    ...REQUEST,
    inputs: [{ url: `mem://vault/${owner}/in`, path: '/in', type: 'FILE' }],
    outputs: [{ url: `mem://vault/${owner}/out`, path: '/out', type: 'FILE' }],
  });
  const as = (owner: string) => ({ ...AnonymousPrincipal, owner, name: owner });

  it('read and store with the credentials of their own, and leave no session behind', async () => {
    const secrets = new Map(['ada', 'bob'].map((owner) => [owner, `secret of ${owner}`]));
    const vault = new VaultStorage(secrets);
    const onStart = (name: string): void => void bench.world.jobs.get(name)?.files.set('/out', name);
    bench = await EngineBench.start({ onStart, life: () => ({ looks: 0, ending: { phase: 'succeeded' } }) });
    Object.assign(bench.storage, { session: vault.session.bind(vault), refusal: vault.refusal.bind(vault) });
    for (const owner of secrets.keys()) vault.objects.set(`mem://vault/${owner}/in`, 'input');
    const ids = await Promise.all(
      Array.from({ length: 6 }, (_value, index) => {
        const owner = index % 2 === 0 ? 'ada' : 'bob';
        return bench.service.create(as(owner), requestOf(owner), { basePath: '/v1' });
      }),
    );
    for (const id of ids) expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
    const users = new Map<number, Set<string>>();
    for (const { connection, secret, url } of vault.calls) {
      expect(url).toContain(`/${secret.replace('secret of ', '')}/`);
      users.set(connection, (users.get(connection) ?? new Set()).add(secret));
    }
    // One for the inputs and one for the outputs of each task.
    expect(users.size).toBe(12);
    for (const secretsUsed of users.values()) expect(secretsUsed.size).toBe(1);
    expect(vault.open.size).toBe(0);
    const eve = bench.service.create(as('eve'), requestOf('ada'), { basePath: '/v1' });
    await expect(eve).rejects.toThrow('there are no credentials for eve');
  });
});
