import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import supertest from 'supertest';
import { as, basic, GuardedGateway } from './guarded-gateway';

const TASK = { executors: [{ image: 'x', command: ['true'] }] };

type Entry = Readonly<Record<string, unknown>>;

describe('the audit log', () => {
  let directory: string;
  let file: string;
  let gateway: GuardedGateway;
  let api: ReturnType<typeof supertest>;
  beforeEach(async () => {
    directory = await fs.mkdtemp(join(tmpdir(), 'audit-'));
    file = join(directory, 'audit.jsonl');
    const users = '[{name: root, roles: [admin]}, {name: eye, roles: [viewer]}]';
    gateway = await GuardedGateway.start(
      ['ann', 'eye', 'root'],
      '--auth.schemes=[basic, token]',
      `--auth.basic.users=${users}`,
      `--audit.file=${file}`,
    );
    stopping = undefined;
    api = supertest(`http://127.0.0.1:${gateway.port}`);
  });
  afterEach(async () => {
    await stopped();
    await fs.rm(directory, { recursive: true, force: true });
  });
  let stopping: Promise<void> | undefined;
  const stopped = (): Promise<void> => (stopping ??= gateway.stop());
  /** Written when the gateway has stopped, at the latest. */
  const entries = async (): Promise<Entry[]> => {
    await stopped();
    const text = await fs.readFile(file, 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Entry);
  };

  it('has each act, whatever came of it, and who did it; not what was only looked at', async () => {
    const id = await gateway.create('ann', { tags: { life: 'run' } });
    await api.post('/v1/tasks').set(as('ann')).send({ name: 'no executors' }).expect(400);
    await api.post('/v1/tasks').set(as('eye')).send(TASK).expect(403);
    await api.post(`/v1/tasks/${id}%3Acancel`).set(as('root')).expect(200);
    await api.delete(`/ga4gh/tes/v1/tasks/${id}:cancel`).set(as('eye')).expect(404);
    await api.post(`/ext/v1/tasks/${id}:restore-outputs`).set(as('root')).expect(409);
    for (const path of ['/v1/tasks', `/v1/tasks/${id}?view=FULL`, '/ext/v1/me', '/service-info'])
      await api.get(path).set(as('ann')).expect(200);
    const ann = { issuer: 'basic', subject: 'ann', name: 'ann', roles: ['user'], address: '127.0.0.1' };
    const root = { ...ann, subject: 'root', name: 'root', roles: ['admin'] };
    const eye = { ...ann, subject: 'eye', name: 'eye', roles: ['viewer'] };
    const time = expect.stringMatching(/^\d{4}-.*Z$/) as string;
    expect(await entries()).toEqual([
      { time, event: 'create', task: id, ...ann, status: 200 },
      { time, event: 'create', ...ann, status: 400 },
      { time, event: 'create', ...eye, status: 403 },
      { time, event: 'cancel', task: id, ...root, status: 200 },
      { time, event: 'cancel', task: id, ...eye, status: 404 },
      { time, event: 'restore-outputs', task: id, ...root, status: 409 },
    ]);
  });

  it('has every token that was made or revoked, by whom and whose, and not the token itself', async () => {
    const made = await gateway.token('ann');
    await api.post('/ext/v1/users/robots%7Cone/tokens').set(as('root')).send({ name: 'x' }).expect(201);
    await api.post('/ext/v1/users/robots%7Cone/tokens').set(as('ann')).send({ name: 'x' }).expect(403);
    await api.delete(`/ext/v1/users/basic%7Cann/tokens/${made.id}`).set(as('root')).expect(200);
    await api.delete('/ext/v1/users/robots%7Cone/tokens').set(as('root')).expect(200);
    await api.delete('/ext/v1/me/tokens/none').set(as('ann')).expect(404);
    await api.get('/ext/v1/me/tokens').set(as('ann')).expect(200);
    const found = await entries();
    const id = expect.stringMatching(/^[0-9a-f]{24}$/) as string;
    expect(found).toEqual(
      [
        { event: 'make-token', subject: 'ann', token: made.id, status: 201 },
        { event: 'make-token', subject: 'root', token: id, token_of: 'robots|one', status: 201 },
        { event: 'make-token', subject: 'ann', token_of: 'robots|one', status: 403 },
        { event: 'revoke-token', subject: 'root', token: made.id, token_of: 'basic|ann', status: 200 },
        { event: 'revoke-token', subject: 'root', token_of: 'robots|one', status: 200 },
        { event: 'revoke-token', subject: 'ann', token: 'none', status: 404 },
      ].map((entry) => expect.objectContaining(entry) as Entry),
    );
    for (const entry of found) expect(entry).not.toHaveProperty('task');
    expect(JSON.stringify(found)).not.toContain('tesgw_');
  });

  it('has failed logins: of whom, if there is such a user, and nothing of what was typed', async () => {
    await api.post('/v1/tasks').set(basic('ann:Secret1')).send({}).expect(401);
    await api.get('/v1/tasks').set(basic('Secret2:x')).expect(401);
    await api.get('/v1/tasks').set({ authorization: 'Bearer Secret3' }).expect(401);
    await api.get('/v1/tasks?authorization=Secret4').expect(401);
    await api.post('/v1/tasks/%0a%22Secret-no-task:cancel').set(as('ann')).expect(404);
    const found = await entries();
    expect(found).toMatchObject([
      { event: 'failed-login', issuer: 'basic', subject: 'ann', status: 401 },
      { event: 'failed-login', status: 401 },
      { event: 'failed-login', status: 401 },
      { event: 'cancel', task: '\n"Secret-no-task', status: 404 },
    ]);
    expect(JSON.stringify(found)).not.toMatch(/Secret\d/);
  });

  it('is begun anew when it was moved away, and its health is shown', async () => {
    expect((await api.get('/readyz').expect(200)).body).toMatchObject({ status: 'ready', audit: { ok: true } });
    await gateway.create('ann');
    await fs.rename(file, `${file}.1`);
    gateway.reopenFiles();
    await gateway.create('root');
    expect(await entries()).toMatchObject([{ event: 'create', subject: 'root' }]);
  });
});
