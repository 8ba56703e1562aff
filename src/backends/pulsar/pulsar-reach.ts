import { AmqpErrands } from './amqp-errands';
import { PulsarAmqpClient } from './pulsar-amqp.client';
import { PulsarBrokerClient } from './pulsar-broker.client';
import type { Errands, PulsarClient, PulsarTransfers } from './pulsar-client';
import { PulsarErrands } from './pulsar-errands';
import { PulsarHybridClient } from './pulsar-hybrid.client';
import { PulsarRestClient } from './pulsar-rest.client';
import type { PulsarBackendSettings } from './pulsar.settings';

/** How a server is reached, by what its settings name. */
export interface Reach {
  readonly client: PulsarClient;
  readonly errands: Errands;
  /** Where there is an interface for files. */
  readonly transfers: (PulsarClient & PulsarTransfers) | undefined;
}

export function reachOf(settings: PulsarBackendSettings, errandScript: string): Reach {
  const { name, url, amqpUrl } = settings;
  if (url === undefined) {
    if (amqpUrl === undefined) throw new Error(`backend ${name} has neither url nor amqp_url`);
    const amqp = new PulsarAmqpClient({ ...settings, amqpUrl });
    const ownErrands = new AmqpErrands(amqp, name, errandScript);
    return { client: new PulsarBrokerClient(name, amqp, ownErrands), errands: ownErrands, transfers: undefined };
  }
  const rest = new PulsarRestClient({ ...settings, url });
  const errands = new PulsarErrands(rest, name, errandScript);
  if (amqpUrl === undefined) return { client: rest, errands, transfers: rest };
  const hybrid = new PulsarHybridClient(name, rest, new PulsarAmqpClient({ ...settings, amqpUrl }));
  return { client: hybrid, errands, transfers: hybrid };
}
