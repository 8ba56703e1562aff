import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import { queuedTask, requestOf } from '../contract/task-store.fixture';

function storeCommand(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const hook = join(__dirname, 'stores', 'sqlite', 'typescript-hook.mjs');
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
});
