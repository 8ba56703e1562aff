import { describePulsar } from './pulsar-backend.suite';

describePulsar('podman', 'rest');
