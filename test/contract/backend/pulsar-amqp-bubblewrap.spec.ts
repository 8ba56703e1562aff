import { describePulsar } from './pulsar-backend.suite';

describePulsar('bubblewrap', 'amqp');
