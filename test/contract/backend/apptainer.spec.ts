import { describeEngine } from '../../system/engines';
import { describeFullDisk, describeKilledRuntime } from './faults.suite';
import { describeFiles } from './files.suite';
import { describeHostile } from './hostile.suite';
import { describeImages } from './images.suite';
import { describeLife, describeLifeHere, describeStart } from './life.suite';
import { describeLimits } from './limits.suite';
import { describePrivateImages } from './private-images.suite';
import { describeExecutors } from './execution-backend.suite';
import { localUnderTest } from './local-backend.fixture';

describeEngine('apptainer', 'ExecutionBackend', (engine) => {
  const underTest = localUnderTest(engine);
  describeExecutors('apptainer', underTest);
  describeFiles('apptainer', underTest);
  describeFullDisk('apptainer', underTest);
  describeKilledRuntime('apptainer', underTest, ['starter', 'appinit']);
  describeLife('apptainer', underTest);
  describeLifeHere('apptainer', underTest);
  describeStart('apptainer', underTest);
  describeLimits('apptainer', underTest);
  describeHostile('apptainer', underTest);
  describeImages('apptainer', engine);
  describePrivateImages('apptainer', engine);
});
