/** In the entries of every backend that runs the job script. */
export const SCRIPT_ENTRY = {
  network: {
    doc: "What executors reach: `default` is the runtime's own network, `host` the machine's, `none` nothing",
    format: ['default', 'host', 'none'],
    default: 'default' as 'default' | 'host' | 'none',
  },
};
