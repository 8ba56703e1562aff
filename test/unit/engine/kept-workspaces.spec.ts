import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import type { Principal } from '../../../src/ports/authenticator';
import { Conflict, TransferError } from '../../../src/ports/errors';
import { jobName, type TaskRecord } from '../../../src/task/task-record';

const OPERATOR: Principal = { ...AnonymousPrincipal, roles: ['admin'] };
const SETTINGS = { keepOutputsMs: 3_600_000, keepOutputsBytes: 100 };
let bench: EngineBench;
let refuses: boolean;

beforeEach(async () => {
  refuses = true;
  bench = await EngineBench.start({}, SETTINGS);
  refuse(bench);
});
afterEach(() => bench.stop());

function refuse(on: EngineBench): void {
  on.storage.onCall = (verb, url) => {
    if (verb === 'write' && refuses) throw new TransferError(`${url}: 403`, { retryable: false });
  };
}
const isKept = (task: TaskRecord): boolean => task.step === 'kept' && !task.lease && task.keptBytes !== undefined;
/** A task with a workspace of so many bytes, kept because its storage refuses it. */
async function kept(bytes: number): Promise<string> {
  const id = await ended(bytes);
  await bench.until(id, isKept);
  return id;
}
async function ended(bytes: number): Promise<string> {
  const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] });
  await bench.state(id, 'RUNNING');
  bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'x'.repeat(bytes));
  bench.backend.finish(id, 1);
  return id;
}
const used = (): unknown => bench.engine.kept.used().get('scripted');
const isThere = (id: string): boolean => bench.world.jobs.has(jobName(id, 1));
const lastLine = async (id: string): Promise<string | undefined> => (await bench.full(id)).logs?.at(-1)?.system_logs?.at(-1);

describe('kept workspaces that take more than the settings allow', () => {
  it('are removed, the oldest first, with a line in the task, until a tenth is free', async () => {
    const [first, second, third] = [await kept(40), await kept(30), await kept(30)];
    expect(used()).toEqual({ workspaces: 3, bytes: 100 });
    const fourth = await kept(10);
    await bench.done(first);
    expect([first, second, third, fourth].map(isThere)).toEqual([false, true, true, true]);
    expect(used()).toEqual({ workspaces: 3, bytes: 70 });
    expect(await lastLine(first)).toContain('before its time: those kept on scripted take more than retention.unstored_outputs_gb');
    await expect(bench.service.restoreOutputs(OPERATOR, first)).rejects.toBeInstanceOf(Conflict);
    refuses = false;
    await bench.service.restoreOutputs(OPERATOR, second);
    expect(await bench.done(second)).toMatchObject({ state: 'COMPLETE' });
    expect(used()).toEqual({ workspaces: 2, bytes: 40 });
  });

  it('stay when they are the latest, however large', async () => {
    const small = await kept(10);
    const large = await ended(1000);
    await bench.done(small);
    expect(await bench.until(large, isKept)).toMatchObject({ keptBytes: 1000 });
    expect(used()).toEqual({ workspaces: 1, bytes: 1000 });
  });

  it('stay while their outputs are being stored again: the next one goes', async () => {
    const [first, second] = [await kept(60), await kept(30)];
    refuses = false;
    bench.storage.trickleMs = 20;
    await bench.service.restoreOutputs(OPERATOR, first);
    await bench.until(first, ({ step, lease }) => step === 'restore' && lease !== undefined);
    refuses = true;
    await kept(90);
    await bench.done(second);
    expect(isThere(first)).toBe(true);
    expect(await bench.done(first)).toMatchObject({ state: 'COMPLETE' });
    expect(bench.storage.objects.get('mem://out')).toHaveLength(60);
  });

  it('are counted again by the next process, which measures nothing twice', async () => {
    const [first, second] = [await kept(40), await kept(50)];
    await bench.engine.stop(0);
    const { store, world } = bench;
    for (const { files } of world.jobs.values()) files.set('/more', 'x'.repeat(1000));
    bench = await EngineBench.on(store, {}, { ...SETTINGS, keepOutputsBytes: 80 }, {}, world);
    refuse(bench);
    for (const id of [first, second]) await bench.engine.writer.apply(id, { type: 'postponed', attempt: 1, delayMs: 0 });
    await bench.done(first);
    expect(await bench.until(second, isKept)).toMatchObject({ keptBytes: 50 });
    expect(used()).toEqual({ workspaces: 1, bytes: 50 });
  });

  it('are not removed for the sake of what another gateway has stored again or removed', async () => {
    const [first, second] = [await kept(40), await kept(40)];
    const stale = await bench.task(second);
    await bench.engine.writer.apply(second, { type: 'expired', attempt: 1 });
    await bench.done(second);
    await kept(60);
    bench.engine.kept.heard({ after: stale, event: 'postponed' });
    await bench.engine.kept.enforce('scripted');
    expect(await bench.task(first)).toMatchObject({ step: 'kept' });
    expect(used()).toEqual({ workspaces: 2, bytes: 100 });
  });

  it('hold up no clean-up while somebody finds out what they take', async () => {
    await bench.stop();
    bench = await EngineBench.start({}, { ...SETTINGS, places: { transfers: 4, calls: 1 } });
    refuse(bench);
    const workspace = bench.backend.workspace.bind(bench.backend);
    let measured = 0;
    const sizeBytes = (signal?: AbortSignal): Promise<number> =>
      new Promise((_, reject) => {
        measured += 1;
        signal?.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      });
    bench.backend.workspace = (...args) => Object.assign(workspace(...args), { sizeBytes });
    const ids = [await ended(1), await ended(1), await ended(1)];
    for (const id of ids) await bench.until(id, ({ step }) => step === 'kept');
    await bench.until(ids[0] ?? '', () => measured > 1);
    const other = await bench.create();
    await bench.state(other, 'RUNNING');
    bench.backend.finish(other, 1);
    expect(await bench.done(other)).toMatchObject({ state: 'COMPLETE' });
    expect(isThere(other)).toBe(false);
    expect(measured).toBe(2);
  });
});
