import { setTimeout as pause } from 'node:timers/promises';
import { REQUEST, EngineBench } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import type { TesTaskRequest } from '../../../src/task/tes';

let bench: EngineBench;
async function start(...given: Parameters<typeof EngineBench.start>): Promise<EngineBench> {
  bench = await EngineBench.start(...given);
  return bench;
}
afterEach(() => bench.stop());

describe('the queue', () => {
  it('holds tasks back until they fit, lets a small one pass, and says why the other waits', async () => {
    await start({ capacity: { cpuCores: 2, ramGb: 8 } });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const big = await bench.create({ ...REQUEST, resources: { cpu_cores: 2 } });
    const small = await bench.create();
    await bench.state(small, 'RUNNING');
    expect((await bench.full(big)).logs?.[0]?.system_logs).toEqual([
      'waiting: backend scripted: the task needs 2 CPU cores, 0 of 2 are free',
    ]);
    bench.backend.finish(first, 1);
    bench.backend.finish(small, 1);
    await bench.state(big, 'RUNNING');
  });

  it('keeps a backend free for a big task that has waited too long', async () => {
    await start({ capacity: { cpuCores: 2, ramGb: 8 } }, { bigTaskWaitMs: 0 });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const big = await bench.create({ ...REQUEST, resources: { cpu_cores: 2 } });
    await bench.until(big, ({ createdAt }) => bench.store.now() > createdAt);
    const small = await bench.create();
    expect((await bench.full(small)).logs?.[0]?.system_logs?.join()).toContain('reserved for a big task');
    bench.backend.finish(first, 1);
    await bench.state(big, 'RUNNING');
    expect((await bench.task(small)).state).toBe('QUEUED');
    bench.backend.finish(big, 1);
    await bench.state(small, 'RUNNING');
  });

  it('is not blocked by any number of tasks for a backend that is full', async () => {
    const one = { capacity: { cpuCores: 1, ramGb: 100 } };
    await start([one, one]);
    const wish = { ...REQUEST, resources: { backend_parameters: { backend: 'scripted' } } };
    const wanting = await Promise.all(Array.from({ length: 100 }, () => bench.create(wish)));
    const other = await bench.create();
    expect(await bench.state(other, 'RUNNING')).toMatchObject({ backend: 'scripted1' });
    expect((await bench.store.counts()).QUEUED).toBe(wanting.length - 1);
  });

  it('is not read at all while no backend has room', async () => {
    await start({ capacity: { cpuCores: 1, ramGb: 100 } });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    const reads = jest.spyOn(bench.store, 'queueHead');
    // Each pass asks for the outlook last: a pass that read the queue did so before the second time.
    const outlooks = jest.spyOn(bench.store, 'queueOutlook');
    const waiting = await bench.create();
    for (let looks = 0; outlooks.mock.calls.length < 1 && looks < 500; looks += 1) await pause(5);
    await bench.create();
    for (let looks = 0; outlooks.mock.calls.length < 2 && looks < 500; looks += 1) await pause(5);
    expect(outlooks).toHaveBeenCalledTimes(2);
    expect(reads).not.toHaveBeenCalled();
    bench.backend.finish(first, 1);
    await bench.state(waiting, 'RUNNING');
    expect(reads).toHaveBeenCalled();
  });

  it('reads the room in use once for all who ask at the same moment why their task waits', async () => {
    await start({ capacity: { cpuCores: 1, ramGb: 100 } });
    await bench.state(await bench.create(), 'RUNNING');
    const waiting = [await bench.create(), await bench.create()];
    await bench.full(waiting[0] ?? '');
    const reads = jest.spyOn(bench.store, 'used');
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => bench.full(waiting[index % 2] ?? '')));
    for (const { logs } of answers) expect(logs?.[0]?.system_logs?.join()).toContain('waiting: backend scripted: ');
    expect(reads.mock.calls.length).toBeLessThanOrEqual(2);
  });

  it('takes no more than limits.max_queued', async () => {
    await start({ capacity: { cpuCores: 1, ramGb: 1 } }, {}, { quota: { queued: 1 } });
    const first = await bench.create();
    await bench.state(first, 'RUNNING');
    await bench.create();
    await expect(bench.create()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 30 });
  });

  it('gives a task to nobody while its backend is away', async () => {
    await start();
    bench.backend.healthy = { ok: false, detail: 'no daemon' };
    await bench.engine.monitor.ask();
    const id = await bench.create();
    expect((await bench.full(id)).logs?.[0]?.system_logs).toEqual(['waiting: backend scripted: it is unreachable (no daemon)']);
    bench.backend.healthy = { ok: true, detail: 'back' };
    await bench.engine.monitor.ask();
    await bench.state(id, 'RUNNING');
  });
});

describe('create', () => {
  it('is one task when the same body comes again on another base path while the first is being stored', async () => {
    await start();
    const [first, second, third] = await Promise.all([
      bench.service.create(AnonymousPrincipal, REQUEST, { basePath: '/ga4gh/tes/v1' }),
      bench.service.create(AnonymousPrincipal, REQUEST, { basePath: '/v1' }),
      bench.service.create(AnonymousPrincipal, REQUEST, { basePath: '/ga4gh/tes/v1' }),
    ]);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('answers the same id for the same Idempotency-Key and body, and refuses another body', async () => {
    await start();
    const options = { basePath: '/v1', idempotencyKey: 'k' };
    const first = await bench.service.create(AnonymousPrincipal, REQUEST, options);
    expect(await bench.service.create(AnonymousPrincipal, REQUEST, options)).toBe(first);
    const reordered = { tags: { b: '1', a: '2' }, ...REQUEST };
    const other = { ...options, idempotencyKey: 'l' };
    const second = await bench.service.create(AnonymousPrincipal, reordered, other);
    expect(await bench.service.create(AnonymousPrincipal, { ...REQUEST, tags: { a: '2', b: '1' } }, other)).toBe(second);
    await expect(bench.service.create(AnonymousPrincipal, { ...REQUEST, name: 'x' }, options)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('drops backend parameters that no backend knows, with a line, and refuses them when strict', async () => {
    await start();
    const resources = { backend_parameters: { VmSize: 'big', Queue: 'q' } };
    const id = await bench.create({ ...REQUEST, resources });
    const full = await bench.full(id);
    expect(full.resources?.backend_parameters).toEqual({ Queue: 'q' });
    expect(full.logs?.[0]?.system_logs?.join()).toContain('vmsize');
    await expect(bench.create({ ...REQUEST, resources: { ...resources, backend_parameters_strict: true } })).rejects.toMatchObject({
      code: 'INVALID_TASK',
    });
  });

  it('cuts a request that is larger than every backend down to the largest, with a line', async () => {
    await start({ capacity: { cpuCores: 2, ramGb: 8 } });
    const id = await bench.create({ ...REQUEST, resources: { cpu_cores: 64, ram_gb: 1 } });
    expect((await bench.state(id, 'RUNNING')).given).toEqual({ cpuCores: 2, ramGb: 1 });
    expect((await bench.full(id)).logs?.[0]?.system_logs?.join()).toContain('asks for 64 CPU cores and gets 2');
  });

  it('refuses what asks for more disk or GPUs than any backend has, and charges no GPUs that nobody gives', async () => {
    await start({ capacity: { cpuCores: 4, ramGb: 8, diskGb: 100, gpus: 2 }, capabilities: { parameterKeys: ['gpus'] } });
    const asking = (resources: NonNullable<TesTaskRequest['resources']>): Promise<string> => bench.create({ ...REQUEST, resources });
    await expect(asking({ disk_gb: 101 })).rejects.toThrow('the task needs 101 GB of disk, it has 100');
    await expect(asking({ backend_parameters: { gpus: '3' } })).rejects.toThrow('the task needs 3 GPUs, it has 2');
    await expect(asking({ backend_parameters: { gpus: 'all' } })).rejects.toThrow('ask for a number of them, not for all');
    const ids = [await asking({ disk_gb: 60, backend_parameters: { gpus: '1' } }), await asking({ backend_parameters: { gpus: '1' } })];
    for (const id of ids) await bench.state(id, 'RUNNING');
    expect((await bench.store.used(['scripted'])).get('scripted')).toEqual({ cpuCores: 2, ramGb: 2, diskGb: 60, gpus: 2, slots: 2 });
    const waiting = await asking({ backend_parameters: { gpus: '1' } });
    expect((await bench.full(waiting)).logs?.[0]?.system_logs).toEqual([
      'waiting: backend scripted: the task needs 1 GPUs, 0 of 2 are free',
    ]);
    bench.backend.finish(ids[0] ?? '', 1);
    expect((await bench.state(waiting, 'RUNNING')).needs.gpus).toBe(1);
    bench.backend.script.capabilities = { parameterKeys: [] };
    const plain = await asking({ backend_parameters: { gpus: '1' } });
    expect((await bench.state(plain, 'RUNNING')).needs).not.toHaveProperty('gpus');
  });

  it('admits by what a backend may grow to, cuts nothing of that, and gives away only what there is', async () => {
    const [small, grown] = [
      { cpuCores: 2, ramGb: 8, gpus: 0 },
      { cpuCores: 8, ramGb: 32, gpus: 1 },
    ];
    await start({ capabilities: { parameterKeys: ['gpus'], capacity: small, atMost: grown } }, { tickMs: 50, bigTaskWaitMs: 0 });
    const big = await bench.create({ ...REQUEST, resources: { cpu_cores: 6, backend_parameters: { gpus: '1' } } });
    await expect(bench.create({ ...REQUEST, resources: { backend_parameters: { gpus: '2' } } })).rejects.toThrow(
      'the task needs 2 GPUs, it has 1',
    );
    const cut = await bench.create({ ...REQUEST, resources: { cpu_cores: 64 } });
    // Nothing is kept free for what has no room before it has grown.
    const fits = await bench.create({ ...REQUEST, resources: { cpu_cores: 2 } });
    await bench.state(fits, 'RUNNING');
    expect((await bench.full(big)).logs?.[0]?.system_logs).toEqual([
      'waiting: backend scripted: the task needs 6 CPU cores, it has 2 and may grow to 8',
    ]);
    bench.backend.finish(fits, 1);
    await bench.done(fits);
    bench.backend.script.capabilities = { parameterKeys: ['gpus'], capacity: grown, atMost: grown };
    expect(await bench.state(big, 'RUNNING')).not.toHaveProperty('given');
    bench.backend.finish(big, 1);
    expect((await bench.state(cut, 'RUNNING')).given).toEqual({ cpuCores: 8, ramGb: 1 });
  });

  it('takes nothing while the gateway is stopping', async () => {
    await start();
    bench.service.stopTaking();
    await expect(bench.create()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
