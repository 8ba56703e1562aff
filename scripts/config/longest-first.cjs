// The order of the spec files: the longest first, by the times that `npm run verify` measured last, so that no long one is left over at the
// end. A file without a time comes first: it may be long.
const { readFileSync } = require('node:fs');
const { relative } = require('node:path');
const Sequencer = require('@jest/test-sequencer').default;

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const times = timesOf(process.env.TES_GATEWAY_TEST_TIMES);
    if (times === undefined) return super.sort(tests);
    const ms = ({ path, context }) => times[relative(context.config.rootDir, path)] ?? Infinity;
    return [...tests].sort((first, second) => ms(second) - ms(first) || (first.path < second.path ? -1 : 1));
  }
};

function timesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // no verify has run here yet: jest's own order
  }
}
