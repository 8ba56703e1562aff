import fc from 'fast-check';
import { SEED } from './random';

/** fast-check with the seed of this run: every property is checked on the same examples until TES_GATEWAY_SEED says otherwise. */
fc.configureGlobal({ seed: SEED });

export default fc;
