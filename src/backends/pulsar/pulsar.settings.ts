import type { ScriptSettings } from '../shared/script/script.settings';

/** One Pulsar server. Pulsar itself keeps no limit of jobs (0.16): `slots` is the only one. */
export interface PulsarBackendSettings extends ScriptSettings {
  /** Base address of its REST interface, without a slash at the end; absent = it is reached through a broker alone. */
  readonly url?: string;
  /** Of the AMQP broker between, with user and password; absent = it is reached over REST alone. */
  readonly amqpUrl?: string;
  /** What its queues are called instead of `pulsar_` and the manager's name. */
  readonly amqpKeyPrefix?: string;
  /** Its `private_token`; empty = it has none. */
  readonly token: string;
  /** A named manager of that server; absent = its default one. */
  readonly manager?: string;
}
