import { describeEngine } from '../../system/engines';
import { describeBlame, describeFullDisk } from './faults.suite';
import { describeFiles } from './files.suite';
import { describeHostile } from './hostile.suite';
import { describeImages } from './images.suite';
import { describeLife, describeLifeHere } from './life.suite';
import { describeLimits } from './limits.suite';
import { describePrivateImages } from './private-images.suite';
import { describeRights } from './rights.suite';
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
  describePrivateImages('docker', engine);
});
