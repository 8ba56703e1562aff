/** On containers and what they use: whose they are. */
export const JOB_LABEL = 'tes-gateway.job';
export const INSTANCE_LABEL = 'tes-gateway.instance';
