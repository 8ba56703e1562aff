// One small task with a real input file, an executor whose stdout is kept, and an output file; and what must come out of it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout } from 'node:timers/promises';

const FRUIT = ['pear', 'apple', 'quince', 'cherry', 'plum'];
const SORTED = `${[...FRUIT].sort().join('\n')}\n`;
const TERMINAL = ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED'];

const answer = async (response) => {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${text}`);
  return JSON.parse(text);
};

/** `folder` is one that `file:` URLs may name. */
export function exampleTask(image, folder) {
  mkdirSync(folder, { recursive: true });
  const input = join(folder, 'fruit.txt');
  const output = join(folder, 'sorted.txt');
  writeFileSync(input, `${FRUIT.join('\n')}\n`);
  rmSync(output, { force: true });
  return {
    output,
    document: {
      name: 'sort some fruit',
      inputs: [{ url: pathToFileURL(input).href, path: '/data/fruit.txt' }],
      outputs: [{ url: pathToFileURL(output).href, path: '/data/sorted.txt' }],
      resources: { cpu_cores: 1, ram_gb: 0.5 },
      executors: [
        {
          image,
          command: [
            'sh',
            '-c',
            'echo "sorting $(wc -l < /data/fruit.txt) kinds of fruit"; sleep 1; sort /data/fruit.txt > /data/sorted.txt',
          ],
          stdout: '/data/stdout.txt',
        },
      ],
    },
  };
}

/** Sends the task, prints each state as it comes, then logs and output. True when the output is right. */
export async function runExample(base, { document, output }) {
  const headers = { 'content-type': 'application/json' };
  const { id } = await answer(await fetch(`${base}/tasks`, { method: 'POST', headers, body: JSON.stringify(document) }));
  const from = performance.now();
  console.log(`Task ${id}`);
  let state;
  while (!TERMINAL.includes(state)) {
    const now = (await answer(await fetch(`${base}/tasks/${id}`))).state;
    if (now !== state) console.log(`  ${((performance.now() - from) / 1000).toFixed(2).padStart(6)} s  ${now}`);
    state = now;
    if (!TERMINAL.includes(state)) await setTimeout(50);
  }
  const task = await answer(await fetch(`${base}/tasks/${id}?view=FULL`));
  const log = task.logs?.at(-1);
  for (const line of log?.system_logs ?? []) console.log(`  system log: ${line}`);
  for (const { stdout, stderr, exit_code: code } of log?.logs ?? []) {
    console.log(`  exit code:  ${code}`);
    for (const [name, text] of Object.entries({ stdout, stderr })) if (text) console.log(`  ${name}:     ${text.trimEnd()}`);
  }
  let written;
  try {
    written = readFileSync(output, 'utf8');
    console.log(`Output file ${output}\n${written.replace(/^(?=.)/gm, '  ')}`);
  } catch {
    console.log(`There is no output file ${output}`);
  }
  return state === 'COMPLETE' && written === SORTED;
}
