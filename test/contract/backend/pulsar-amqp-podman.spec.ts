import { LONG } from '../../support/amounts';
import { describePulsar } from './pulsar-backend.suite';

// Executors, files, limits and strings: podman's are taken over REST, those of this way with bubblewrap; every-way has tasks of each pair.
describePulsar('podman', 'amqp', { plain: LONG, hostile: LONG });
