import { LONG } from '../../support/amounts';
import { describePulsar } from './pulsar-backend.suite';

// apptainer is shown everything hostile on this machine, with the same launch lines; what Pulsar adds to them, bubblewrap shows.
describePulsar('apptainer', 'rest', { hostile: LONG });
