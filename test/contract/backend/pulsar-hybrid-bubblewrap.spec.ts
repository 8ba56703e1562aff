import { LONG } from '../../support/amounts';
import { describePulsar } from './pulsar-backend.suite';

// Limits and strings go by the script and the plan, which are the same over REST; the messages that start it are those of AMQP alone. Both take them.
describePulsar('bubblewrap', 'hybrid', { hostile: LONG });
