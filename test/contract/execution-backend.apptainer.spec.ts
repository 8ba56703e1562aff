import { describeEngine } from '../engines/engines';
import { describeExecutors } from './execution-backend.suite';
import { localUnderTest } from './local-backend.fixture';

describeEngine('apptainer', 'ExecutionBackend', (engine) => {
  const underTest = localUnderTest(engine);
  describeExecutors('apptainer', underTest);
});
