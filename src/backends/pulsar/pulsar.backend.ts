import { HostBackend } from '../shared/script/host-backend';
import { hostOf } from './pulsar-host';
import type { PulsarBackendSettings } from './pulsar.settings';

/** Carries jobs out on a Pulsar server, over REST, AMQP or both. */
export class PulsarBackend extends HostBackend {
  constructor(settings: PulsarBackendSettings) {
    super(hostOf(settings), settings);
  }
}
