// What the results that jest writes with `--json` come to: numbers, and which spec files failed.

/** The spec files of a run. A file that fails without a failed test of its own (it cannot be loaded, its `afterAll` threw) counts as one. */
export function filesOf(summary) {
  return (summary?.testResults ?? []).map(({ name, status, assertionResults, startTime, endTime }) => {
    const named = (wanted) => assertionResults.filter((test) => test.status === wanted).map(({ fullName }) => fullName);
    const failedTests = named('failed');
    const failed = status === 'failed' ? Math.max(1, failedTests.length) : failedTests.length;
    const ms = Math.max(0, (endTime ?? 0) - (startTime ?? 0));
    return { file: name, passed: named('passed').length, failed, failedTests, skipped: named('pending'), ms };
  });
}

/**
 * `files` of the first run with what came of those that failed when each was run once more, alone: `again` has the file of the second
 * run by name. A file that then passed counts as passed and is unstable; any other stays as it was.
 */
export function settle(files, again) {
  const unstable = [];
  const settled = files.map((first) => {
    const second = again.get(first.file);
    if (first.failed === 0 || second === undefined || second.failed > 0 || second.passed === 0) return first;
    unstable.push({ file: first.file, failedTests: first.failedTests });
    return second;
  });
  return { files: settled, unstable };
}

export function sum(files) {
  const add = (count) => files.reduce((total, file) => total + count(file), 0);
  return { passed: add(({ passed }) => passed), failed: add(({ failed }) => failed), skipped: add(({ skipped }) => skipped.length) };
}

/** Where the time went: a line for each suite (the sum of its spec files), and for the `most` that took longest. Suites: `[{suite, ms}]`. */
export function timesTable(suites, files, most) {
  const line = (words, ms) => `  ${(ms / 1000).toFixed(0).padStart(6)} s  ${words}`;
  const longest = [...files].sort((first, second) => second.ms - first.ms).slice(0, most);
  return [...suites.map(({ suite, ms }) => line(suite, ms)), 'of these, longest:', ...longest.map(({ file, ms }) => line(file, ms))].join(
    '\n',
  );
}
