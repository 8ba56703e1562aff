import type { SettingDefinition, Surroundings } from '../../ports/adapter';
import type { ReachRule } from './reach';

/** Every network there is; those that are never reached are not in it. */
const ALL = ['0.0.0.0/0', '::/0'];

/** The setting `allowed_networks` of a storage whose URLs name hosts. */
export const allowedNetworks = {
  doc: 'Networks (`10.1.0.0/16`, `fd00::/8`) and single addresses that URLs may lead to although they are loopback, private or reserved; public addresses always may. With an empty list none of these may, unless the gateway serves this machine alone (`server.host` is a loopback address, `server.trust_proxy` and `server.allowed_hosts` are empty): then all may. Link-local addresses and those at which clouds give away the secrets of machines are refused always',
  format: 'list of networks',
  default: [] as readonly string[],
} satisfies SettingDefinition;

/** By the setting `storage.TYPE.allowed_networks`. */
export function reachOf(type: string, named: readonly string[], { servesThisMachineOnly }: Surroundings): ReachRule {
  return { networks: named.length === 0 && servesThisMachineOnly ? ALL : named, setting: `storage.${type}.allowed_networks` };
}

/** Of servers that the operator names: wherever they are. */
export function openReach(setting: string): ReachRule {
  return { networks: ALL, setting };
}
