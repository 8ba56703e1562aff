import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyFile } from '../../src/credentials/key-file';
import { UserCredentials } from '../../src/credentials/user-credentials';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import { queuedTask, requestOf } from '../contract/store/task-store.fixture';

function storeCommand(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const hook = join(__dirname, '../../scripts/typescript-hook.mjs');
  const program = join(__dirname, '..', '..', 'src', 'store.main.ts');
  return spawnSync(process.execPath, ['--import', hook, program, ...args], { encoding: 'utf8' });
}

describe('the store command', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'store-command-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('backs up the store of a data directory while it is in use', async () => {
    const store = await SqliteTaskStore.open({ path: join(directory, 'tasks.sqlite'), maxDueMs: 60_000 });
    const task = queuedTask();
    await store.insert(requestOf(task), task);
    const target = join(directory, 'copy.sqlite');
    const { status, stdout, stderr } = storeCommand('backup', target, '--data-dir', directory);
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toContain(`${target}: `);
    await store.close();
    const copy = await SqliteTaskStore.open({ path: target, maxDueMs: 60_000 });
    expect(await copy.getTask(task.id)).toEqual(task);
    await copy.close();
  });

  it('fails with one line where there is nothing to back up', () => {
    const { status, stderr } = storeCommand('backup', join(directory, 'copy'), '--data-dir', directory);
    expect([status, stderr]).toEqual([1, `The backup cannot be made: there is no task store at ${join(directory, 'tasks.sqlite')}\n`]);
  });

  it('refuses to back up a database as if it were the embedded store', () => {
    const settings = join(directory, 'mongodb.yaml');
    writeFileSync(settings, 'store: {type: mongodb, url: "mongodb://127.0.0.1:1/", database: tes}\n');
    const { status, stderr } = storeCommand('backup', join(directory, 'copy'), '--data-dir', directory, '--config', settings);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^store\.type is mongodb: .*\n$/);
  });

  it('names the settings file that cannot be used', () => {
    const { status, stderr } = storeCommand('backup', join(directory, 'copy'), '--config', join(directory, 'none.yaml'));
    expect(status).toBe(1);
    expect(stderr).toContain('none.yaml');
  });

  it('has the outputs of a task stored again whose workspace is kept, and of no other', async () => {
    const path = join(directory, 'tasks.sqlite');
    const store = await SqliteTaskStore.open({ path, maxDueMs: 60_000 });
    const kept = queuedTask({
      state: 'SYSTEM_ERROR',
      step: 'kept',
      backend: 'local',
      attempt: 1,
      keptUntil: Date.now() + 60_000,
      dueAt: 1,
    });
    const other = queuedTask();
    for (const task of [kept, other]) await store.insert(requestOf(task), task);
    await store.close();
    const asked = `${kept.id}: its outputs are stored when its gateway runs\n`;
    const { status, stdout, stderr } = storeCommand('restore-outputs', kept.id, other.id, 'nobody', '--data-dir', directory);
    expect([stderr, status]).toEqual(['', 1]);
    expect(stdout).toBe(`${asked}${other.id}: no workspace of it is kept\nnobody: no workspace of it is kept\n`);
    // Asked for once more it is as it was.
    expect(storeCommand('restore-outputs', kept.id, '--data-dir', directory)).toMatchObject({ status: 0, stdout: asked });
    const after = await SqliteTaskStore.open({ path, maxDueMs: 60_000 });
    expect(await after.getTask(kept.id)).toMatchObject({ state: 'SYSTEM_ERROR', step: 'restore' });
    await after.close();
  });

  it('makes the key of credentials before there is a store, and changes it', async () => {
    const path = join(directory, 'keys');
    const settings = join(directory, 'settings.yaml');
    writeFileSync(settings, `credentials: {key_file: ${path}}\n`);
    const change = (...options: string[]): ReturnType<typeof storeCommand> =>
      storeCommand('credentials-key', ...options, '--data-dir', directory, '--config', settings);
    expect(change()).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^.*keys: key [0-9a-f]{16} encrypts from now on\n$/),
    });
    const keys = new KeyFile(path);
    const store = await SqliteTaskStore.open({ path: join(directory, 'tasks.sqlite'), maxDueMs: 60_000 });
    const credentials = new UserCredentials(store, keys, { most: 9, schemes: new Map([['https', ['basic', 'bearer']]]) });
    await credentials.save('basic|ann', 'storage', 'https://h', { type: 'bearer', token: 'tok.en' });
    const former = await keys.read();
    expect(change()).toMatchObject({ status: 1, stderr: expect.stringContaining('is in use') });
    expect(await keys.read()).toEqual(former);
    await store.close();
    const changed = change();
    expect(changed).toMatchObject({ status: 0, stderr: '' });
    expect(changed.stdout).toMatch(/encrypts from now on\n1 credentials encrypted anew\n1 keys taken out\n$/);
    expect(await keys.read()).toHaveLength(1);
    expect(change('--only-add')).toMatchObject({ status: 0 });
    expect(await keys.read()).toHaveLength(2);
    expect(change('--only-encrypt').stdout).toBe('1 credentials encrypted anew\n1 keys taken out\n');
    expect(change('--only-add', '--only-encrypt').status).toBe(1);
    const after = await SqliteTaskStore.open({ path: join(directory, 'tasks.sqlite'), maxDueMs: 60_000 });
    const opened = new UserCredentials(after, keys, { most: 9, schemes: new Map([['https', ['basic', 'bearer']]]) }).storage({
      key: 'basic|ann',
    });
    expect(await opened.forUrl('https://h/x')).toEqual({ type: 'bearer', token: 'tok.en' });
    await after.close();
  });

  it('makes no key where no setting says where', () => {
    const { status, stderr } = storeCommand('credentials-key', '--data-dir', directory);
    expect([status, stderr]).toEqual([1, 'credentials.key_file does not say where the keys are\n']);
  });

  it('moves tasks from one data directory to another, in their order, and says how many', async () => {
    const other = join(directory, 'other');
    const store = await SqliteTaskStore.open({ path: join(directory, 'tasks.sqlite'), maxDueMs: 60_000 });
    const tasks = [queuedTask(), queuedTask()];
    for (const task of tasks) await store.insert(requestOf(task), task);
    const lines = join(directory, 'lines');
    const inUse = storeCommand('export', lines, '--data-dir', directory);
    expect([inUse.status, inUse.stderr]).toEqual([1, expect.stringContaining('is in use: another tes-gateway process has it open')]);
    await store.close();
    expect(storeCommand('export', lines, '--data-dir', directory)).toMatchObject({ status: 0, stderr: '', stdout: `${lines}: 2 tasks\n` });
    const first = storeCommand('import', lines, '--data-dir', other);
    expect(first).toMatchObject({ status: 0, stderr: '', stdout: `${lines}: 2 tasks imported, 0 were there already\n` });
    expect(storeCommand('import', lines, '--data-dir', other).stdout).toBe(`${lines}: 0 tasks imported, 2 were there already\n`);
    const moved = await SqliteTaskStore.open({ path: join(other, 'tasks.sqlite'), maxDueMs: 60_000 });
    expect((await moved.listOldest('', 10, 1e6)).items.map(({ task }) => task)).toEqual(tasks);
    await moved.close();
  });

  it('gives the tasks from before the login to somebody, says how many, and does nothing beside a gateway', async () => {
    const path = join(directory, 'tasks.sqlite');
    const store = await SqliteTaskStore.open({ path, maxDueMs: 60_000 });
    const tasks = [queuedTask({ owner: 'anonymous' }), queuedTask({ owner: 'basic|bob' })];
    for (const task of tasks) await store.insert(requestOf(task), task);
    const give = (...args: string[]) => storeCommand('give', ...args, '--data-dir', directory);
    expect(give('basic|ann')).toMatchObject({ status: 1, stderr: expect.stringContaining('is in use: another tes-gateway process') });
    await store.close();
    expect(give('ann')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('nobody is called ann: an owner is issuer|subject'),
    });
    const said = '1 tasks of anonymous belong to basic|ann now\n';
    expect(give('basic|ann', '--name', 'Ann')).toMatchObject({ status: 0, stderr: '', stdout: said });
    const after = await SqliteTaskStore.open({ path, maxDueMs: 60_000 });
    const owners = (await after.listOldest('', 10, 1e6)).items.map(({ task: { owner, ownerName } }) => [owner, ownerName]);
    expect(owners).toEqual([
      ['basic|ann', 'Ann'],
      ['basic|bob', undefined],
    ]);
    await after.close();
  });

  it('fails with one line for what is no export, is not there, or cannot be asked of an embedded store', () => {
    const file = join(directory, 'file');
    writeFileSync(file, 'hello\n');
    const here = ['--data-dir', directory];
    expect(storeCommand('export', file, ...here).stderr).toMatch(/^there is no task store at .*\n$/);
    expect(storeCommand('import', file, ...here)).toMatchObject({ status: 1, stderr: 'line 1: it is not JSON, or cut off\n' });
    expect(storeCommand('import', join(directory, 'none'), ...here).stderr).toMatch(/^ENOENT.*\n$/);
    const nowhere = join(directory, 'nowhere');
    expect(storeCommand('gone', 'a', '--data-dir', nowhere)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no task store at'),
    });
    expect(existsSync(nowhere)).toBe(false);
    expect(storeCommand('gone', ...here).stderr).toMatch(/^name either a gateway, or a backend/);
    expect(storeCommand('gone', 'a', '--backend', 'b', ...here).stderr).toMatch(/^name either a gateway, or a backend/);
    expect(storeCommand('gone', '--backend', 'local', ...here).stderr).toMatch(/^backend local is set up in these settings: .*--force\n$/);
  });

  it('says in its help what becomes of tasks under way', () => {
    expect(storeCommand('import', '--help').stdout).toMatch(/under way goes on only when the gateway that began it/);
  });
});
