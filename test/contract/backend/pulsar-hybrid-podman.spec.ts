import { LONG } from '../../support/amounts';
import { describePulsar } from './pulsar-backend.suite';

// Limits and strings of podman's are taken over REST, those of this way with bubblewrap.
describePulsar('podman', 'hybrid', { hostile: LONG });
