import type { ReachRule } from '../../src/storage/shared/reach';

/** Of servers that tests start on this machine. */
export const ANYWHERE: ReachRule = { networks: ['0.0.0.0/0', '::/0'], setting: 'storage.http.allowed_networks' };
