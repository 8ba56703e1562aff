import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SqliteTaskStore } from '../../../../src/stores/sqlite/sqlite-task-store';

/** Starts a writer and kills it with SIGKILL after it has said so many lines. Resolves with all lines it said. */
async function killedWriter(path: string, after: number): Promise<string[]> {
  const writer = spawn(
    process.execPath,
    ['--import', join(__dirname, '../../../../scripts/typescript-hook.mjs'), join(__dirname, 'crash-writer.ts'), path],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exit = once(writer, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    lines.push(line);
    if (lines.length === after) writer.kill('SIGKILL');
  }
  expect(await exit).toEqual([null, 'SIGKILL']);
  // The last line may have been cut by the kill.
  return lines.filter((line) => /^(new|moved) \d+-[a-d]-\d+$/.test(line)).slice(0, -1);
}

describe('kill -9', () => {
  it('loses nothing that was acknowledged, and leaves nothing by halves', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'store-crash-'));
    const path = join(directory, 'tasks.sqlite');
    try {
      const acknowledged: string[] = [];
      for (const after of [3, 151, 400]) {
        acknowledged.push(...(await killedWriter(path, after)));
        const store = await SqliteTaskStore.open({ path, maxDueMs: 60_000 });
        for (const line of acknowledged) {
          const [verb, id = ''] = line.split(' ');
          const task = await store.getTask(id);
          expect([line, task?.id, verb === 'new' || task?.state === 'RUNNING']).toEqual([line, id, true]);
        }
        const page = await store.listStored({ pageSize: 2047 }, 1e9);
        const counts = await store.counts();
        expect((counts.QUEUED ?? 0) + (counts.RUNNING ?? 0)).toBe(page.items.length);
        expect((await store.liveBackends()).get('b') ?? 0).toBe(counts.RUNNING ?? 0);
        for (const { task } of page.items) {
          expect(task.revision).toBe(task.state === 'RUNNING' ? 2 : 1);
          const tag = { key: 'client', value: task.tags['client'] ?? '?' };
          expect((await store.listMinimal({ pageSize: 2047, tags: [tag] })).items.some(([id]) => id === task.id)).toBe(true);
        }
        await store.close();
      }
      expect(acknowledged.length).toBeGreaterThan(500);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
