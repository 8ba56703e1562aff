// The deliberate breaks of `test/breaks/*.yaml`: reading them, what is wrong with one, and what the results of jest say of one.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';

/** All breaks of a checkout: `{room, broken, changes: [{file, find, replace}], seenBy: [{spec, tests?}]}`, with `seenBy` always a list. */
export function readBreaks(top) {
  const files = readdirSync(join(top, 'test/breaks')).filter((name) => name.endsWith('.yaml'));
  return files.sort().flatMap((name) =>
    (parse(readFileSync(join(top, 'test/breaks', name), 'utf8')) ?? []).map((entry) => ({
      ...entry,
      room: name.slice(0, -'.yaml'.length),
      seenBy: [entry.seenBy].flat(),
    })),
  );
}

const known = (entry, names) => Object.keys(entry ?? {}).filter((name) => !names.includes(name));

/** Why a break cannot be carried out as it is written; empty when it can. */
export function faultsOf(top, { room, broken, changes, seenBy, ...others }, read = reader(top)) {
  const unknown = [
    ...known(others, []),
    ...changes.flatMap((change) => known(change, ['file', 'find', 'replace'])),
    ...seenBy.flatMap((seen) => known(seen, ['spec', 'tests'])),
  ];
  return [
    ...(typeof broken === 'string' && changes.length > 0 && seenBy.length > 0 ? [] : ['it lacks words, changes or a spec file']),
    ...unknown.map((name) => `what is "${name}"?`),
    ...changes.flatMap(({ file, find, replace }) => {
      const text = read(file);
      if (text === undefined) return [`${file} is not there`];
      if (typeof find !== 'string' || typeof replace !== 'string' || find === replace) return [`a change of ${file} changes nothing`];
      const times = text.split(find).length - 1;
      return times === 1 ? [] : [`${file} holds ${JSON.stringify(find.slice(0, 80))} ${times} times`];
    }),
    ...seenBy.flatMap(({ spec, tests }) => {
      if (!spec.endsWith('.spec.ts') || read(spec) === undefined) return [`${spec} is not there`];
      if (tests === undefined) return [];
      const pattern = new RegExp(tests, 'i');
      // A place that a title keeps for a value is none of the words that jest looks at.
      const isFound = !tests.includes('%') && titles(spec, read).some((title) => pattern.test(title));
      return isFound ? [] : [`${spec} has no test "${tests}"`];
    }),
  ].map((fault) => `${room}: ${broken}: ${fault}`);
}

/** Reads each file once; `undefined` for one that is not there. */
export function reader(top) {
  const texts = new Map();
  return (name) => {
    if (!texts.has(name)) texts.set(name, existsSync(join(top, name)) ? readFileSync(join(top, name), 'utf8') : undefined);
    return texts.get(name);
  };
}

/** Every text in quotes of a spec file and of the test files that it imports: the titles are among them. */
function titles(spec, read, seen = new Set()) {
  const text = seen.has(spec) ? undefined : read(spec);
  if (text === undefined) return [];
  seen.add(spec);
  const quoted = [...text.matchAll(/'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)];
  const imports = [...text.matchAll(/from '(\.[^']*)'/g)].map(([, path]) => `${join(dirname(spec), path)}.ts`);
  return [
    ...quoted.map(([, single, double, back]) => (single ?? double ?? back).replaceAll(/\\(.)/g, '$1')),
    ...imports.filter((name) => name.startsWith('test/')).flatMap((name) => titles(name, read, seen)),
  ];
}

/** A break that names what is not there proves nothing: the test fails for another reason than that it looks. */
const NOT_A_BREAK = /^\s*(ReferenceError|SyntaxError)\b|the server cannot be built/;

/**
 * Which tests saw a break, from what jest said of the spec file without it and with it (`{summary, ms, isOver}`, the summary that of
 * `--json`): those that failed and had passed before. A test that waits for ever, and for so long keeps jest from saying anything, has
 * seen it, too. Without one, why.
 */
export function judge({ summary, ms, isOver }, before) {
  const passed = passedIn(before.summary);
  if (passed.size === 0) return { seen: [], why: 'no test passes without the break' };
  if (isOver) return { seen: [`it did not end within ${Math.round(ms / 1000)} s, and had within ${Math.round(before.ms / 1000)} s`] };
  if (!summary) return { seen: [], why: 'jest left no results' };
  const { testResults } = summary;
  const failed = testResults.flatMap(({ assertionResults }) => assertionResults.filter(({ status }) => status === 'failed'));
  const fair = failed.filter(({ failureMessages }) => !failureMessages.every((message) => NOT_A_BREAK.test(message)));
  const seen = fair.map(({ fullName }) => fullName).filter((name) => passed.has(name));
  if (seen.length > 0) return { seen };
  if (fair.length > 0) return { seen, why: `fails without the break, too: ${fair[0].fullName}` };
  if (failed.length > 0) return { seen, why: `the changed code is no program: ${failed[0].failureMessages[0].split('\n')[0]}` };
  const unloaded = testResults.find(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0);
  if (unloaded) return { seen, why: `the spec file does not load: ${unloaded.message.trim().split('\n').slice(0, 3).join(' ')}` };
  return { seen, why: 'every test passed' };
}

/** The full names of the tests that passed. */
function passedIn(summary) {
  const results = summary?.testResults.flatMap(({ assertionResults }) => assertionResults) ?? [];
  return new Set(results.filter(({ status }) => status === 'passed').map(({ fullName }) => fullName));
}
