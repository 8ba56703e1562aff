import { describeEngine } from '../engines/engines';
import { describeFullDisk } from './execution-backend.faults.suite';
import { describeFiles } from './execution-backend.files.suite';
import { describeHostile } from './execution-backend.hostile.suite';
import { describeImages } from './execution-backend.images.suite';
import { describeLife, describeLifeHere, describeStart } from './execution-backend.life.suite';
import { describeLimits } from './execution-backend.limits.suite';
import { describeExecutors } from './execution-backend.suite';
import { localUnderTest } from './local-backend.fixture';

describeEngine('apptainer', 'ExecutionBackend', (engine) => {
  const underTest = localUnderTest(engine);
  describeExecutors('apptainer', underTest);
  describeFiles('apptainer', underTest);
  describeFullDisk('apptainer', underTest);
  describeLife('apptainer', underTest);
  describeLifeHere('apptainer', underTest);
  describeStart('apptainer', underTest);
  describeLimits('apptainer', underTest);
  describeHostile('apptainer', underTest);
  describeImages('apptainer', engine);
});
