import { describeEngine } from '../engines/engines';
import { describeBlame, describeFullDisk } from './execution-backend.faults.suite';
import { describeFiles } from './execution-backend.files.suite';
import { describeHostile } from './execution-backend.hostile.suite';
import { describeImages } from './execution-backend.images.suite';
import { describeLife, describeLifeHere } from './execution-backend.life.suite';
import { describeLimits } from './execution-backend.limits.suite';
import { describeRights, describeShortNames } from './execution-backend.rights.suite';
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
  describeShortNames('podman', engine);
});
