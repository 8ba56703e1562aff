import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const top = join(__dirname, '../..');
const page = readFileSync(join(top, 'docs/tes-contract.md'), 'utf8');
const numbersBelow = (title: string): ReadonlySet<string> => {
  const [, section = ''] = page.split(`\n## ${title}\n`);
  return new Set([...(section.split('\n## ')[0] ?? '').matchAll(/^(\d+)\. /gm)].map(([, number = '']) => number));
};
const pages = { 'fine print': numbersBelow('The fine print'), contract: numbersBelow('The contract with clients') } as const;

/** `contract 6, 7: null is absent`: the numbers before the colon. */
function cited(kind: keyof typeof pages): string[] {
  const files = readdirSync(join(top, 'test'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.spec.ts'));
  return files.flatMap((name) =>
    [
      ...readFileSync(join(top, 'test', name), 'utf8').matchAll(new RegExp(`['"\`]${kind} (\\d+(?:(?:,| and|, and| to) \\d+)*)`, 'g')),
    ].flatMap(([, list = '']) => list.match(/\d+/g) ?? []),
  );
}

it.each(['fine print', 'contract'] as const)('finds every number of "%s" that a test cites in docs/tes-contract.md', (kind) => {
  const numbers = cited(kind);
  expect(numbers.length).toBeGreaterThan(25);
  expect(numbers.filter((number) => !pages[kind].has(number))).toEqual([]);
});
