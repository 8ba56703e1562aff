import type { ScriptHost } from '../shared/script/script-host';
import { errandScript } from '../shared/script/script-manifest';
import { AmqpErrands } from './amqp-errands';
import { PulsarAmqpClient } from './pulsar-amqp.client';
import { PulsarBrokerClient } from './pulsar-broker.client';
import { PulsarHybridClient } from './pulsar-hybrid.client';
import { PulsarRestClient } from './pulsar-rest.client';
import { ERRAND_PLACES } from './pulsar.manifest';
import type { PulsarBackendSettings } from './pulsar.settings';

/** How a server is reached, by what its settings name. */
export function hostOf(settings: PulsarBackendSettings): ScriptHost {
  const { name, url, amqpUrl, runtime, environment } = settings;
  const script = errandScript(runtime, environment, ERRAND_PLACES);
  const amqp = amqpUrl === undefined ? undefined : new PulsarAmqpClient({ ...settings, amqpUrl });
  if (url === undefined) {
    if (!amqp) throw new Error(`backend ${name} has neither url nor amqp_url`);
    return new PulsarBrokerClient(name, amqp, new AmqpErrands(amqp, name, script));
  }
  const rest = { ...settings, url };
  return amqp ? new PulsarHybridClient(rest, script, amqp) : new PulsarRestClient(rest, script);
}
