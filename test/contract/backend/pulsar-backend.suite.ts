import { promises as fs } from 'node:fs';
import { describeEngine, type EngineName } from '../../system/engines';
import { OwnPulsar } from '../../system/pulsar/pulsar';
import { OwnRabbit } from '../../system/rabbitmq/rabbitmq';
import { describeFiles } from './files.suite';
import { describeHost } from './host.suite';
import { describeHostile } from './hostile.suite';
import { describeLife } from './life.suite';
import { describeLimits } from './limits.suite';
import { describeExecutors } from './execution-backend.suite';
import { closeAll, pulsarUnderTest } from './pulsar-backend.fixture';
import { removeWorkerData, stagerHere } from './pulsar-worker-data';

const REACHED = { rest: 'over REST', hybrid: 'over AMQP, with files over REST', amqp: 'over AMQP alone' } as const;

/** How the server is reached. Over AMQP there is a real RabbitMQ between. */
export type Reached = keyof typeof REACHED;

/**
 * The whole ExecutionBackend contract on a real Pulsar. One runtime and one way in a file, so that they can be carried out beside each other.
 * Without `hostile` the suites of limits and of strings are left out, where another runtime takes them through the same script and the same plan;
 * without `plain` also those of executors and files, where this runtime takes them over REST, and this way with another runtime.
 */
export function describePulsar(runtime: EngineName, reached: Reached, { plain = true, hostile = true } = {}): void {
  describeEngine(runtime, `ExecutionBackend on a real Pulsar ${REACHED[reached]}`, (engine) => {
    let pulsar: OwnPulsar;
    let rabbit: OwnRabbit | undefined;
    const name = `pulsar-${reached}-${runtime}`;
    let changes = {};
    const underTest = pulsarUnderTest(
      () => pulsar,
      engine,
      () => changes,
    );

    beforeAll(async () => {
      if (reached !== 'rest') rabbit = await OwnRabbit.start();
      // Without an interface for files the worker has to move the data itself.
      if (reached === 'amqp') changes = { stager: await stagerHere() };
      pulsar = await OwnPulsar.start(rabbit && { broker: { url: rabbit.url, only: reached === 'amqp' } });
    }, 300_000);
    afterAll(async () => {
      await closeAll();
      await pulsar.remove();
      await rabbit?.remove();
      removeWorkerData();
    });

    if (plain) describeExecutors(name, underTest);
    if (plain) describeFiles(name, underTest);
    describeLife(name, underTest);
    if (hostile) describeLimits(name, underTest);
    if (hostile) describeHostile(name, underTest);
    if (runtime === 'bubblewrap') describeHost(name, underTest);

    it('closes what jobs have on the worker to its other users before anything is sent', async () => {
      await fs.mkdir(pulsar.staging, { recursive: true });
      await fs.chmod(pulsar.staging, 0o755);
      const backend = underTest().make('');
      await backend.start(new AbortController().signal);
      expect((await fs.stat(pulsar.staging)).mode & 0o777).toBe(0o700);
    });
  });
}
