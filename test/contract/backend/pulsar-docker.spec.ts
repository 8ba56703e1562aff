import { LONG } from '../../support/amounts';
import { describePulsar } from './pulsar-backend.suite';

// The words of a container command are those of podman, which is shown everything hostile on a Pulsar, and docker itself on this machine.
describePulsar('docker', 'rest', { hostile: LONG });
