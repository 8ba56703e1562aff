import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import type { Principal } from '../../../src/ports/authenticator';
import { ENGINE } from '../../support/settings';
import type { EngineSettings } from '../../../src/engine/engine-settings';
import { Conflict, Forbidden, TransferError } from '../../../src/ports/errors';
import { NOTHING } from '../../../src/task/amounts';
import { jobName, type TaskRecord } from '../../../src/task/task-record';

const OPERATOR: Principal = { ...AnonymousPrincipal, roles: ['admin'] };
const KEPT_MS = 3_600_000;
let bench: EngineBench;
let refuses: boolean;

/** A task that has ended, and whose output its storage refuses. */
async function unstored(settings: Partial<EngineSettings> = {}, phase: 'succeeded' | 'failed' = 'succeeded'): Promise<string> {
  refuses = true;
  bench = await EngineBench.start({}, { keepOutputsMs: KEPT_MS, ...settings });
  refuseOn(bench);
  const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] });
  await bench.state(id, 'RUNNING');
  bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'output');
  bench.backend.finish(id, 1, { phase });
  return id;
}
function refuseOn(on: EngineBench, refused = 'mem://out'): void {
  on.storage.onCall = (verb, url) => {
    if (verb === 'write' && url === refused && refuses) throw new TransferError('mem://out cannot be written: 403', { retryable: false });
  };
}
const kept = (id: string, lines = 1): Promise<TaskRecord> =>
  bench.until(id, (task) => task.step === 'kept' && !task.lease && (task.attempts.at(-1)?.systemLogs.length ?? 0) >= lines);
const lines = async (id: string): Promise<string> => (await bench.full(id)).logs?.flatMap((log) => log.system_logs ?? []).join('\n') ?? '';

afterEach(() => bench.stop());

describe('a task whose outputs could not be stored', () => {
  it('is SYSTEM_ERROR with its workspace kept, and says where and until when', async () => {
    const id = await unstored();
    const task = await kept(id);
    expect(task).toMatchObject({ state: 'SYSTEM_ERROR', attempt: 1 });
    expect(await lines(id)).toMatch(
      /403; the workspace \S+ on scripted is kept until .*, an operator can have the outputs stored \(restore-outputs\)$/,
    );
    expect(await lines(id)).toContain(`the workspace ${jobName(id, 1)} on`);
    const { outputs_kept_until: until } = await bench.service.explain(AnonymousPrincipal, id);
    expect(until).toBe(new Date(task.keptUntil ?? 0).toISOString());
    expect(bench.world.jobs.has(jobName(id, 1))).toBe(true);
    expect((await bench.store.used(['scripted'])).get('scripted') ?? NOTHING).toEqual(NOTHING);
  });

  it('is COMPLETE once an operator had them stored, and nothing of it is left then', async () => {
    const id = await unstored();
    const { endedAt } = await kept(id);
    refuses = false;
    await bench.service.restoreOutputs(OPERATOR, id);
    const done = await bench.done(id);
    expect(done).toMatchObject({ state: 'COMPLETE', attempt: 1, endedAt });
    expect(done).not.toHaveProperty('keptUntil');
    expect(done.attempts[0]?.outputs).toEqual([{ url: 'mem://out', path: '/out', sizeBytes: 6 }]);
    expect(bench.storage.objects.get('mem://out')).toBe('output');
    expect(await lines(id)).toMatch(/\nthe outputs were stored after all, at an operator's request$/);
    expect(bench.world.jobs.size).toBe(0);
    expect(bench.world.started).toHaveLength(1);
    const { COMPLETE, SYSTEM_ERROR = 0 } = await bench.store.counts();
    expect([COMPLETE, SYSTEM_ERROR]).toEqual([1, 0]);
  });

  it('stays SYSTEM_ERROR when they cannot be stored again, and may be asked for again', async () => {
    const id = await unstored();
    await kept(id);
    await bench.service.restoreOutputs(OPERATOR, id);
    expect(await kept(id, 2)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect(await lines(id)).toContain('the outputs could not be stored again: output /out could not be stored');
    refuses = false;
    await bench.service.restoreOutputs(OPERATOR, id);
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
  });

  it('is sent as a whole when it is stored again, also what had been stored', async () => {
    refuses = true;
    bench = await EngineBench.start({}, { keepOutputsMs: KEPT_MS });
    refuseOn(bench, 'mem://two');
    const id = await bench.create({
      ...REQUEST,
      outputs: ['one', 'two'].map((name) => ({ url: `mem://${name}`, path: `/${name}`, type: 'FILE' as const })),
    });
    await bench.state(id, 'RUNNING');
    for (const name of ['one', 'two']) bench.world.jobs.get(jobName(id, 1))?.files.set(`/${name}`, name);
    bench.backend.finish(id, 1);
    await kept(id);
    bench.storage.objects.set('mem://one', 'eno');
    refuses = false;
    await bench.service.restoreOutputs(OPERATOR, id);
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
    expect([bench.storage.objects.get('mem://one'), bench.storage.objects.get('mem://two')]).toEqual(['one', 'two']);
  });

  it('stays SYSTEM_ERROR when its workspace has gone, though nothing is missing then', async () => {
    const id = await unstored();
    await kept(id);
    refuses = false;
    bench.world.jobs.delete(jobName(id, 1));
    await bench.service.restoreOutputs(OPERATOR, id);
    expect(await kept(id, 2)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect(await lines(id)).toContain('could not be stored again: the workspace of the job is gone');
  });

  it('goes on being stored again after the gateway was killed in the middle', async () => {
    const id = await unstored();
    await kept(id);
    await bench.engine.stop(0);
    await bench.service.restoreOutputs(OPERATOR, id);
    expect(await bench.task(id)).toMatchObject({ state: 'SYSTEM_ERROR', step: 'restore' });
    const { store, world } = bench;
    bench = await EngineBench.on(store, {}, { keepOutputsMs: KEPT_MS }, {}, world);
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
    expect(bench.storage.objects.get('mem://out')).toBe('output');
  });

  it('has its workspace removed when its time is over', async () => {
    const id = await unstored({ keepOutputsMs: 200 });
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect(bench.world.jobs.size).toBe(0);
    await expect(bench.service.restoreOutputs(OPERATOR, id)).rejects.toBeInstanceOf(Conflict);
  });

  it('is not stored again from a workspace whose removal has begun', async () => {
    let isStuck = true;
    refuses = true;
    const onCall = (verb: string): 'before' | undefined => (verb === 'cleanup' && isStuck ? 'before' : undefined);
    bench = await EngineBench.start({ onCall }, { keepOutputsMs: 200 });
    refuseOn(bench);
    const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] });
    await bench.state(id, 'RUNNING');
    bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'output');
    bench.backend.finish(id, 1);
    await bench.until(id, ({ state, trouble }) => state === 'SYSTEM_ERROR' && trouble !== undefined);
    refuses = false;
    await expect(bench.service.restoreOutputs(OPERATOR, id)).rejects.toBeInstanceOf(Conflict);
    isStuck = false;
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
  });

  it('has its workspace removed at once where none is to be kept', async () => {
    refuses = true;
    bench = await EngineBench.start();
    refuseOn(bench);
    const id = await bench.create({ ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] });
    await bench.state(id, 'RUNNING');
    bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'output');
    bench.backend.finish(id, 1);
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect(bench.world.jobs.size).toBe(0);
  });

  it('keeps EXECUTOR_ERROR, whose result is the exit code', async () => {
    const id = await unstored({}, 'failed');
    expect(await bench.done(id)).toMatchObject({ state: 'EXECUTOR_ERROR' });
  });

  it('is stored again by nobody but an administrator', async () => {
    const id = await unstored();
    await kept(id);
    await expect(bench.service.restoreOutputs(AnonymousPrincipal, id)).rejects.toBeInstanceOf(Forbidden);
    expect(await bench.task(id)).toMatchObject({ step: 'kept' });
  });

  it('is kept when patience with a storage that is away is over', async () => {
    const id = await unstored({ retry: { ...ENGINE.retry, outputPatienceMs: 200 } });
    bench.storage.onCall = (verb) => {
      if (verb === 'write' && refuses) throw new TransferError('503', { retryable: true, away: {} });
    };
    expect(await kept(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
  });
});
