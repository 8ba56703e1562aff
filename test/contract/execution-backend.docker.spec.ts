import { describeEngine } from '../engines/engines';
import { describeBlame, describeFullDisk } from './execution-backend.faults.suite';
import { describeFiles } from './execution-backend.files.suite';
import { describeHostile } from './execution-backend.hostile.suite';
import { describeImages } from './execution-backend.images.suite';
import { describeLife, describeLifeHere } from './execution-backend.life.suite';
import { describeLimits } from './execution-backend.limits.suite';
import { describeRights } from './execution-backend.rights.suite';
import { describeExecutors } from './execution-backend.suite';
import { localUnderTest } from './local-backend.fixture';

describeEngine('docker', 'ExecutionBackend', (engine) => {
  const underTest = localUnderTest(engine);
  describeExecutors('docker', underTest);
  describeFiles('docker', underTest);
  describeFullDisk('docker', underTest);
  describeBlame('docker', engine, underTest);
  describeLife('docker', underTest);
  describeLifeHere('docker', underTest);
  describeLimits('docker', underTest);
  describeHostile('docker', underTest);
  describeImages('docker', engine);
  describeRights('docker', engine);
});
