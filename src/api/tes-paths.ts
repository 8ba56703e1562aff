/** Where TES is served: the path of the specification, and the one of older clients. */
export const TES_PATHS = ['ga4gh/tes/v1', 'v1'] as const;
