import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import type { Script } from '../../support/scripted-backend';
import { ENGINE } from '../../support/settings';
import type { EngineSettings } from '../../../src/engine/engine-settings';
import { BackendError, TransferError } from '../../../src/ports/errors';
import { NOTHING } from '../../../src/task/amounts';
import type { TaskRecord } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';

const INPUT: TesTaskRequest = { ...REQUEST, inputs: [{ url: 'mem://in', path: '/in', type: 'FILE' }] };
/** Jobs that end at the first look. */
const QUICK: Script = { life: () => ({ looks: 0, ending: { phase: 'succeeded' } }) };
const PATIENT: Partial<EngineSettings> = { retry: { ...ENGINE.retry, attempts: 1, longestDelayMs: 100 } };

let bench: EngineBench;
const waits = (count: number) => (task: TaskRecord) => (task.storageWait?.count ?? 0) >= count;
const lines = async (id: string): Promise<string> => (await bench.full(id)).logs?.flatMap((log) => log.system_logs ?? []).join('\n') ?? '';

afterEach(() => bench.stop());

describe('a task that finds no room for its workspace', () => {
  const full = new BackendError('cannot make the workspace: the disk is full', {
    retryable: true,
    unavailable: true,
    isWorkDiskFull: true,
  });

  it.each([
    ['with', INPUT],
    ['without', REQUEST],
  ])('waits in the queue, %s inputs, uses up no attempt, and is COMPLETE when there is room', async (_words, request) => {
    bench = await EngineBench.start(QUICK, PATIENT);
    const submit = bench.backend.submit.bind(bench.backend);
    let isFull = true;
    jest.spyOn(bench.backend, 'submit').mockImplementation(async (...args) => {
      if (isFull) throw full;
      return submit(...args);
    });
    const ids = await Promise.all(Array.from({ length: 5 }, () => bench.create(request)));
    for (const id of ids) await bench.until(id, waits(3));
    const [first = ''] = ids;
    await bench.until(first, ({ state, notBefore }) => state === 'QUEUED' && notBefore !== undefined);
    expect((await bench.service.explain(AnonymousPrincipal, first)).waiting?.join()).toContain(
      'the disk of the workspaces has been full since',
    );
    isFull = false;
    for (const id of ids) {
      expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempts: { length: 1 } });
      expect(await lines(id)).toMatch(/waited \d+ s for room for its workspace \(.*the disk is full/);
    }
    expect((await bench.store.used(['scripted'])).get('scripted') ?? NOTHING).toEqual(NOTHING);
  });

  it('whose inputs do not fit waits, and their storage is not taken for away', async () => {
    bench = await EngineBench.start(QUICK, PATIENT);
    let isFull = true;
    const workspace = bench.backend.workspace.bind(bench.backend);
    const write = () =>
      Promise.reject(new TransferError('cannot write /in: the disk is full', { retryable: true, away: { isWorkDisk: true } }));
    jest.spyOn(bench.backend, 'workspace').mockImplementation((job) => Object.assign(workspace(job), isFull && { write }));
    const id = await bench.create(INPUT);
    expect(await bench.until(id, waits(3))).toMatchObject({ storageWait: { of: 'workspace' } });
    isFull = false;
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
  });
});

describe('a backend whose disk is full', () => {
  it('is given nothing, says why, and goes on with what is there and when there is room', async () => {
    bench = await EngineBench.start({}, { healthMs: 20 });
    const running = await bench.create(REQUEST);
    await bench.state(running, 'RUNNING');
    const health = jest
      .spyOn(bench.backend, 'health')
      .mockResolvedValue({ ok: true, detail: 'x', full: 'the disk of the workspaces is full' });
    await bench.engine.monitor.ask();
    const id = await bench.create(REQUEST);
    expect((await bench.service.explain(AnonymousPrincipal, id)).waiting?.join()).toContain('the disk of the workspaces is full');
    bench.backend.finish(running, 1);
    expect(await bench.done(running)).toMatchObject({ state: 'COMPLETE' });
    expect(await bench.task(id)).toMatchObject({ state: 'QUEUED' });
    health.mockRestore();
    await bench.engine.monitor.ask();
    await bench.state(id, 'RUNNING');
  });
});
