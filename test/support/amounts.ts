/** `npm run verify -- --long` repeats more of what the usual run shows. */
export const LONG = process.env['TES_GATEWAY_TEST_LONG'] === '1';

/** How often, or for how long, something is repeated: `usual`, or `long` with `--long`. */
export const repeated = (usual: number, long: number): number => (LONG ? long : usual);
