import { ScriptedBackend, ScriptedWorld } from '../support/scripted-backend';
import { sharedGateway } from './app';
import { Client, TRUE_TASK } from './client';

const WAIT = { kind: 'wait' } as const;

describe('the choice of a server', () => {
  const life = () => ({ looks: 0, ending: { phase: 'succeeded' } as const });
  const quick = { life, capabilities: { pollMs: { first: 10, longest: 20 } } };
  const picky = new ScriptedBackend(new ScriptedWorld(), { ...quick, capacity: { cpuCores: 100, ramGb: 100 } }, 'picky');
  jest.spyOn(picky, 'check').mockReturnValue(['it takes nothing']);
  const gateway = sharedGateway({
    backends: [
      new ScriptedBackend(new ScriptedWorld(), quick, 'north'),
      new ScriptedBackend(new ScriptedWorld(), quick, 'south'),
      picky,
      new ScriptedBackend(new ScriptedWorld(), { ...quick, capabilities: { ...quick.capabilities, draining: true } }, 'old'),
    ],
    placements: {
      north: { labels: { site: 'north', gpu: 'a100' }, urlPrefixes: ['mem://north'], whenAway: WAIT },
      south: { labels: { site: 'south' }, urlPrefixes: ['mem://south'], whenAway: WAIT },
      old: { labels: { site: 'old' }, whenAway: WAIT },
    },
  });
  const client = new Client(() => gateway().port);
  const asking = (parameters: Record<string, string>, strict = false) => ({
    resources: { backend_parameters: parameters, backend_parameters_strict: strict },
  });
  const chosen = async (id: string): Promise<string | undefined> => {
    await client.until(id, 'COMPLETE');
    return (await gateway().store.getTask(id))?.backend;
  };

  it('follows the labels a task asks for, and shows them', async () => {
    for (const site of ['south', 'north']) expect(await chosen(await client.create(asking({ 'label.site': site }, true)))).toBe(site);
    expect(await chosen(await client.create(asking({ 'LABEL.GPU': 'a100' })))).toBe('north');
    const { json } = await client.send('GET', '/ext/v1/backends');
    expect(json).toMatchObject({
      backends: [
        { name: 'north', labels: { site: 'north', gpu: 'a100' }, url_prefixes: ['mem://north'] },
        { name: 'south', backend_parameters: ['queue', 'label.site'] },
        { name: 'picky', labels: {} },
        { name: 'old', draining: true },
      ],
    });
    const info = (await client.get('/service-info')).json as { tesResources_backend_parameters: string[] };
    expect(info.tesResources_backend_parameters).toEqual(expect.arrayContaining(['label.gpu', 'label.site']));
  });

  it('refuses a label that no backend bears with that word, naming what each has', async () => {
    const answer = await client.post({ ...TRUE_TASK, ...asking({ 'label.site': 'west' }) });
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.json)).toContain('backend north: the task asks for label site=west, its own is north');
  });

  it('names what it has against a task first, not that other backends were not asked for', async () => {
    const messageOf = async (task: object): Promise<string> =>
      ((await client.post({ ...TRUE_TASK, ...task })).json as { message: string }).message;
    expect(await messageOf(asking({ backend: 'picky' }))).toBe('$: backend picky: it takes nothing');
    const outputs = [{ url: 'mem://south/x', path: '/out/x' }];
    expect(await messageOf({ outputs, ...asking({ 'label.site': 'north' }) })).toBe('$: backend north: it does not reach mem://south/');
  });

  it('takes a label that nobody has for an unsupported parameter: dropped with a word, refused when strict', async () => {
    const id = await client.create(asking({ 'label.colour': 'red' }));
    await chosen(id);
    const task = await client.task(id, 'FULL');
    expect(task.resources).not.toHaveProperty('backend_parameters');
    expect(task.logs?.[0]?.system_logs?.join()).toContain('label.colour');
    expect((await client.post({ ...TRUE_TASK, ...asking({ 'label.colour': 'red' }, true) })).status).toBe(400);
  });

  it('goes where the URLs of the task are reached', async () => {
    const output = (url: string) => ({ outputs: [{ url, path: '/out/x', type: 'FILE' }] });
    for (const site of ['south', 'north', 'south']) {
      expect(await chosen(await client.create(output(`mem://${site}/deep/x`)))).toBe(site);
    }
    const refused = await client.post({ ...TRUE_TASK, ...output('mem://west/x'), ...asking({ 'label.gpu': 'a100' }) });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.json)).toContain('backend north: it does not reach mem://west/');
  });

  it('never goes to a backend that said it cannot, however empty it is', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => client.create()));
    for (const id of ids) expect(['north', 'south']).toContain(await chosen(id));
  });

  it('waits for a draining one that it asks for, and says why', async () => {
    const id = await client.create(asking({ backend: 'old' }));
    const { json } = await client.send('GET', `/ext/v1/tasks/${id}`);
    expect(JSON.stringify(json)).toContain('backend old: it is draining and takes no new tasks');
    expect((await client.task(id, 'MINIMAL')).state).toBe('QUEUED');
  });
});

describe('a refusal by every backend', () => {
  const picky = new ScriptedBackend(new ScriptedWorld(), {}, 'picky');
  jest.spyOn(picky, 'check').mockReturnValue(['argument 2 is too long', 'it takes nothing']);
  const gateway = sharedGateway({
    backends: [new ScriptedBackend(new ScriptedWorld(), {}, 'far'), picky],
    placements: { far: { labels: { site: 'far' }, urlPrefixes: ['mem://far'], whenAway: WAIT } },
  });
  const client = new Client(() => gateway().port);
  const outputs = [{ url: 'mem://near/x', path: '/out/x' }];
  const messagesOf = async (parameters: Record<string, string>): Promise<readonly string[]> => {
    const { json } = await client.post({ ...TRUE_TASK, outputs, resources: { backend_parameters: parameters } });
    const { message, details } = json as { message: string; details: { message: string }[] };
    return [message, ...details.map((detail) => detail.message)];
  };

  it('begins with what one has against the request, then says what others lack', async () => {
    expect(await messagesOf({})).toEqual([
      '$: backend picky: argument 2 is too long (and 2 more)',
      'backend picky: argument 2 is too long',
      'backend picky: it takes nothing',
      'backend far: it does not reach mem://near/',
    ]);
  });

  it('leaves out those that were not asked for, by name or label', async () => {
    for (const [parameters, reason] of [
      [{ backend: 'far' }, 'backend far: it does not reach mem://near/'],
      [{ 'label.site': 'far' }, 'backend far: it does not reach mem://near/'],
    ] as const) {
      expect(await messagesOf(parameters)).toEqual([`$: ${reason}`, reason]);
    }
    expect(await messagesOf({ backend: 'picky' })).toHaveLength(3);
  });
});
