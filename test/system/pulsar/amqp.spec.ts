import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PulsarBackend } from '../../../src/backends/pulsar/pulsar.backend';
import type { StagerSettings } from '../../../src/backends/shared/script/script.settings';
import { eventually, JobDriver, textOf } from '../../contract/backend/execution-backend.fixture';
import { pulsarSettings } from '../../contract/backend/pulsar-backend.fixture';
import { PulsarWithWorkerData, removeWorkerData, stagerHere } from '../../contract/backend/pulsar-worker-data';
import { describeEngine } from '../engines';
import { QueueHand } from '../rabbitmq/queue-hand';
import { OwnRabbit } from '../rabbitmq/rabbitmq';
import { OwnPulsar } from './pulsar';

const never = new AbortController().signal;
/** Pulsar's consumers die of it: it is JSON, but says so in another way than they expect. */
const POISON = 'application/json; charset=utf-8';
const PREFIX = 'tes1';
const MANAGER = 'site_b';

describeEngine('bubblewrap', 'a real Pulsar behind a real RabbitMQ, when one of them fails', (engine) => {
  let rabbit: OwnRabbit;
  let stager: StagerSettings;
  let hand: QueueHand;
  const logged: string[] = [];
  const log = (_level: string, message: string): void => void logged.push(message);

  beforeAll(async () => {
    rabbit = await OwnRabbit.start();
    stager = await stagerHere();
  }, 300_000);
  beforeEach(async () => {
    hand = await QueueHand.at(rabbit.url);
  });
  afterEach(() => hand.close());
  afterAll(async () => {
    await rabbit.remove();
    removeWorkerData();
  });

  // Under names that are not the default ones: by a prefix, and by a manager's.
  describe.each(['hybrid', 'amqp'] as const)('%s', (reached) => {
    let pulsar: OwnPulsar;
    let backend: PulsarBackend;
    let driver: JobDriver;
    const prefix = reached === 'amqp' ? PREFIX : `pulsar_${MANAGER}_`;
    const queue = (suffix: string): string => `${prefix}_${suffix}`;

    const made = (): PulsarBackend =>
      reached === 'amqp'
        ? new PulsarWithWorkerData(pulsarSettings(pulsar, engine(), { stager, log }), pulsar.staging)
        : new PulsarBackend(pulsarSettings(pulsar, engine(), { log }));
    const job = (script: string): ReturnType<JobDriver['job']> =>
      driver.job({ executors: [{ command: ['/bin/sh', '-c', script] }], volumes: ['/work'] });
    const healthy = (): Promise<true> =>
      eventually('the server is healthy', async () => ((await backend.health(never)).ok ? true : undefined));
    /** Runs until it is let go; counts its starts. */
    const untilGo = 'echo x >>/work/count; echo ready; while [ ! -e /work/go ]; do sleep 0.1; done; echo over';
    const letGo = (name: string): void => {
      const trees = join(pulsar.staging, name, 'metadata', 'tes', 'trees');
      for (const tree of readdirSync(trees)) writeFileSync(join(trees, tree, 'go'), '');
    };

    beforeAll(async () => {
      pulsar = await OwnPulsar.start(
        reached === 'amqp'
          ? { broker: { url: rabbit.url, only: true, prefix: PREFIX } }
          : { manager: MANAGER, broker: { url: rabbit.url } },
      );
      backend = made();
      await backend.start(never);
      driver = new JobDriver(backend, engine().images);
    }, 120_000);
    afterEach(() => driver.cleanAll());
    afterAll(async () => {
      await backend.close();
      await pulsar.remove();
    });

    it('believes no update: what cannot be read is parked once, and what is not true changes nothing', async () => {
      const running = job(untilGo);
      const handle = await driver.start(running);
      await driver.untilPrinted(running, handle, 'ready');
      const nudged: string[] = [];
      backend.watch?.((name) => nudged.push(name), never);
      const updates = queue('status_update');
      const parked = queue('status_update_parked');
      const before = (await hand.count(parked)).messages;
      await hand.send(updates, Buffer.from('<html>'));
      await hand.send(updates, Buffer.from([0x22, 0xff, 0xfe, 0x22]));
      await hand.send(updates, Buffer.from('[1, 2]'));
      await hand.send(updates, { status: 'complete' });
      await hand.send(updates, { job_id: running.name, status: 'complete' }, 'application/x-python-serialize');
      await hand.send(updates, Buffer.alloc(10 << 20, 'x'));
      await hand.send(updates, { job_id: running.name, status: 'complete', complete: 'true', returncode: 0 });
      await hand.send(updates, { job_id: running.name, status: 'lost' });
      await hand.send(updates, { job_id: 'tes-someoneelse-1', status: 'complete' });
      await hand.send(updates, { job_id: '../../etc', status: 'running', filler: 'x'.repeat(10 << 20) });
      await eventually('the true-looking update was heard', () => Promise.resolve(nudged.includes('tes-someoneelse-1') || undefined));
      await eventually('all were taken', async () => ((await hand.count(updates)).messages === 0 ? true : undefined));
      // The one of 10 MB that is no JSON is dropped.
      await eventually('five are parked', async () => ((await hand.count(parked)).messages === before + 5 ? true : undefined));
      expect(nudged).toContain(running.name);
      expect((await driver.look(running, handle))?.phase).toBe('running');
      letGo(running.name);
      const ended = await driver.ended(running, handle);
      expect(ended.observation).toMatchObject({ phase: 'succeeded', executors: [{ exitCode: 0, stdout: { text: 'ready\nover\n' } }] });
      // Nothing comes a second time, also to a gateway that starts now.
      expect((await hand.count(parked)).messages).toBe(before + 5);
      expect((await backend.health(never)).detail).toContain('6 unreadable updates');
    }, 120_000);

    it('lets each gateway that listens hear every update, and one go on hearing when the other has gone', async () => {
      const heard = [new Set<string>(), new Set<string>()] as const;
      const other = made();
      backend.watch?.((name) => void heard[0].add(name), never);
      other.watch?.((name) => void heard[1].add(name), never);
      await other.start(never);
      await eventually('the other is healthy too', async () => ((await other.health(never)).ok ? true : undefined));
      const sent = async (round: string): Promise<readonly string[]> => {
        const names = Array.from({ length: 20 }, (_, index) => `tes-${round}${index}-1`);
        for (const job_id of names) await hand.send(queue('status_update'), { job_id, status: 'running' });
        return names;
      };
      const hears = (index: 0 | 1, names: readonly string[]): Promise<true> =>
        eventually(`gateway ${index} hears all`, () => Promise.resolve(names.every((name) => heard[index].has(name)) || undefined));
      try {
        const both = await sent('both');
        await hears(0, both);
        await hears(1, both);
      } finally {
        await other.close();
      }
      await hears(0, await sent('left'));
    }, 120_000);

    it('goes on after the broker was killed under running jobs, and refuses meanwhile what it cannot hand over', async () => {
      const running = job(untilGo);
      const handle = await driver.start(running);
      await driver.untilPrinted(running, handle, 'ready');
      const waiting = job('echo x >>/work/count');
      const prepared = await driver.prepare(waiting);
      await hand.close();
      await rabbit.kill9();
      await eventually('it is noticed', async () => ((await backend.health(never)).ok ? undefined : true));
      await expect(backend.submit(waiting, prepared, never)).rejects.toMatchObject({ retryable: true, unavailable: true });
      expect((await backend.health(never)).detail).toContain('the AMQP broker of pulsar');
      await rabbit.startAgain();
      hand = await QueueHand.at(rabbit.url);
      await healthy();
      letGo(running.name);
      const handed = await backend.submit(waiting, prepared, never);
      const [first, second] = [await driver.ended(running, handle), await driver.ended(waiting, handed)];
      expect([first.observation.phase, second.observation.phase]).toEqual(['succeeded', 'succeeded']);
      for (const ended of [first, second]) expect(await textOf(ended.workspace, '/work/count')).toBe('x\n');
    }, 180_000);

    it('takes no job for lost that Pulsar calls lost after it was killed, neither one that runs nor one that ended well', async () => {
      const jobs = [job(untilGo), job(untilGo)] as const;
      const handles = [await driver.start(jobs[0]), await driver.start(jobs[1])] as const;
      await driver.untilPrinted(jobs[0], handles[0], 'ready');
      await driver.untilPrinted(jobs[1], handles[1], 'ready');
      const said: unknown[] = [];
      await pulsar.kill9();
      letGo(jobs[1].name);
      await eventually('it ended while Pulsar was down', () =>
        Promise.resolve(existsSync(join(pulsar.staging, jobs[1].name, 'metadata/tes/result')) || undefined),
      );
      await pulsar.startAgain();
      await healthy();
      said.push((await driver.untilPhase(jobs[1], handles[1], 'succeeded', 'failed', 'lost')).phase);
      said.push((await driver.look(jobs[0], handles[0]))?.phase);
      letGo(jobs[0].name);
      const ended = await driver.ended(jobs[0], handles[0]);
      said.push(ended.observation.phase, await textOf(ended.workspace, '/work/count'));
      expect(said).toEqual(['succeeded', 'running', 'succeeded', 'x\n']);
    }, 180_000);

    it('runs an attempt once, however often it is handed over, also across a restart of Pulsar', async () => {
      const once = job(untilGo);
      const prepared = await driver.prepare(once);
      const handle = await backend.submit(once, prepared, never);
      await driver.untilPrinted(once, handle, 'ready');
      await pulsar.kill9();
      await pulsar.startAgain();
      await healthy();
      // Pulsar has forgotten that it has the job, so this is what a gateway would send that was killed before it noted the first.
      const again = { job_id: once.name, setup: true, command_line: `sh ../tool_files/job.sh ../metadata/tes` };
      await hand.send(queue('setup'), again);
      await eventually('it is read', async () => ((await hand.count(queue('setup'))).messages === 0 ? true : undefined));
      await backend.submit(once, prepared, never);
      letGo(once.name);
      const ended = await driver.ended(once, handle);
      expect(ended.observation).toMatchObject({ phase: 'succeeded', executors: [{ stdout: { text: 'ready\nover\n' } }] });
      expect(await textOf(ended.workspace, '/work/count')).toBe('x\n');
    }, 180_000);

    it('says that the consumer is dead, and starts nothing that was cancelled while it waited in the queue', async () => {
      const queued = job('echo x >>/work/count');
      const handle = await driver.prepare(queued);
      await hand.send(queue('setup'), Buffer.from('{}'), POISON);
      await eventually('the consumer has died', async () => ((await hand.count(queue('setup'))).consumers === 0 ? true : undefined));
      // Into the queue it goes, as long as the broker is there; that it waits is no loss.
      const handed = await backend.submit(queued, handle, never);
      expect(await backend.health(never)).toMatchObject({
        ok: false,
        detail: expect.stringContaining('no Pulsar takes jobs from the broker'),
      });
      if (reached === 'hybrid') {
        await backend.cancel(queued.name, handed, never);
        await backend.cleanup(queued.name, handed, { failed: false }, never);
        expect(pulsar.jobs()).not.toContain(queued.name);
      } else {
        // Without files nothing can be confirmed now: it is asked again until it can.
        await expect(backend.cancel(queued.name, handed, AbortSignal.timeout(5000))).rejects.toBeDefined();
      }
      await pulsar.stop();
      expect(await hand.takeAway(queue('setup'), POISON)).toBe(1);
      await pulsar.startAgain();
      await healthy();
      if (reached === 'amqp') {
        await backend.cancel(queued.name, handed, never);
        await backend.cleanup(queued.name, handed, { failed: false }, never);
      }
      // What is sent now is read after it.
      expect((await driver.shell('true')).observation.phase).toBe('succeeded');
      expect(pulsar.jobs()).not.toContain(queued.name);
    }, 240_000);

    it('hears what was said while no gateway was there', async () => {
      const running = job(untilGo);
      const handle = await driver.start(running);
      await driver.untilPrinted(running, handle, 'ready');
      await backend.close();
      letGo(running.name);
      await eventually('Pulsar has seen its end', () =>
        Promise.resolve(existsSync(join(pulsar.staging, running.name, 'postprocessed')) || undefined),
      );
      await eventually('the broker keeps it', async () => ((await hand.count(queue('status_update'))).messages > 0 ? true : undefined));
      backend = made();
      const nudged = new Promise<string>((resolve) =>
        backend.watch?.((name) => (name === running.name ? resolve(name) : undefined), never),
      );
      await backend.start(never);
      driver = new JobDriver(backend, engine().images);
      expect(await nudged).toBe(running.name);
      const ended = await driver.ended(running, handle);
      expect(ended.observation.phase).toBe('succeeded');
      await backend.cleanup(running.name, handle, { failed: false }, never);
      await eventually('it is acknowledged', async () => ((await hand.count(queue('status_update'))).messages === 0 ? true : undefined));
    }, 120_000);
  });
});
