import { describeEngine } from '../engines/engines';
import { OwnPulsar } from '../engines/pulsar/pulsar';
import { describeHostile } from './execution-backend.hostile.suite';
import { describeLife } from './execution-backend.life.suite';
import { describeExecutors } from './execution-backend.suite';
import { pulsarUnderTest } from './pulsar-backend.fixture';

describeEngine('bubblewrap', 'ExecutionBackend on a real Pulsar over REST', (engine) => {
  let pulsar: OwnPulsar;
  const underTest = pulsarUnderTest(() => pulsar, engine);

  beforeAll(async () => {
    pulsar = await OwnPulsar.start();
  }, 300_000);
  afterAll(() => pulsar.remove());

  describeExecutors('pulsar-bubblewrap', underTest);
  describeLife('pulsar-bubblewrap', underTest);
  describeHostile('pulsar-bubblewrap', underTest);
});
