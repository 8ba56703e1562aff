import { NETWORK_NAMES, type NetworkName } from './runtimes/runtime';

/** In the entries of every backend that runs the job script. */
export const SCRIPT_ENTRY = {
  network: {
    doc: "What executors reach: `default` is the runtime's own network, `host` the machine's, `none` nothing",
    format: NETWORK_NAMES,
    default: 'default' as NetworkName,
  },
};
