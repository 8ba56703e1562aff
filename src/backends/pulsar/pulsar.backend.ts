import { ScriptBackend } from '../shared/script/script-backend';
import { hostOf } from './pulsar-host';
import type { PulsarBackendSettings } from './pulsar.settings';

/** Carries jobs out on a Pulsar server, over REST, AMQP or both. */
export class PulsarBackend extends ScriptBackend {
  constructor(settings: PulsarBackendSettings) {
    super(hostOf(settings), settings);
  }
}
