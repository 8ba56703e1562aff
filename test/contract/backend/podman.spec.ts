import { describeEngine } from '../../system/engines';
import { describeBlame, describeFullDisk } from './faults.suite';
import { describeFiles } from './files.suite';
import { describeHostile } from './hostile.suite';
import { describeImages } from './images.suite';
import { describeLife, describeLifeHere } from './life.suite';
import { describeLimits } from './limits.suite';
import { describePrivateImages } from './private-images.suite';
import { describeRights, describeShortNames } from './rights.suite';
import { describeExecutors } from './execution-backend.suite';
import { localUnderTest } from './local-backend.fixture';

describeEngine('podman', 'ExecutionBackend', (engine) => {
  const underTest = localUnderTest(engine);
  describeExecutors('podman', underTest);
  describeFiles('podman', underTest);
  describeFullDisk('podman', underTest);
  describeBlame('podman', engine, underTest);
  describeLife('podman', underTest);
  describeLifeHere('podman', underTest);
  describeLimits('podman', underTest);
  describeHostile('podman', underTest);
  describeImages('podman', engine);
  describeRights('podman', engine);
  describePrivateImages('podman', engine);
  describeShortNames('podman', engine);
});
