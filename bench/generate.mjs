#!/usr/bin/env node
// One scenario on any TES 1.1 server that is running: JSON lines, one per repetition and a summary. `--help` lists the options.
import { parseArgs } from 'node:util';
import * as crash from './crash-scenarios.mjs';
import { sizeMb } from './figures.mjs';
import * as load from './scenarios.mjs';
import { TesServer } from './tes-server.mjs';

const HELP = `node bench/generate.mjs --base http://127.0.0.1:8000 --prefix /ga4gh/tes/v1 --scenario post

Scenarios   post, fill, get, list, tags, page, e2e, e2e1, yardstick; crash-run, crash-post (these start and kill the server by --start-cmd)
Load        --connections 64  --duration 5 (s)  --amount N (instead)  --reps 3  --warmup 1 (s)  --yard 2 (s of H around each repetition; 0 = none)
Server      --base URL  --prefix PATH  --header "Name: value" (repeatable)  --timeout 30 (s)  --pid PID  --db PATH (adds its size)
Requests    --view MINIMAL  --page-size 256  --state S  --name PREFIX  --tag k=v  --image IMG  --command true
Amounts     --count N  --rare 10  --sample 2048 (ids)  --expect N (matches)  --settle S (s)  --label TEXT
Crashes     --start-cmd "..."  --kill-after S  --runs-log FILE (a line per container start, to count double ones)`;

const text = { type: 'string' };
const names =
  'base prefix scenario connections duration amount reps warmup timeout yard pid db view page-size state name tag image command label count rare sample expect settle kill-after start-cmd runs-log';
const { values: given } = parseArgs({
  options: {
    ...Object.fromEntries(names.split(' ').map((name) => [name, text])),
    header: { type: 'string', multiple: true },
    help: { type: 'boolean' },
  },
});

const scenarios = { ...load, 'crash-run': crash.crashRun, 'crash-post': crash.crashPost };
const scenario = given.scenario !== 'endOf' && Object.hasOwn(scenarios, given.scenario ?? '') ? scenarios[given.scenario] : undefined;
if (given.help || scenario === undefined) {
  console.log(HELP);
  process.exit(given.help ? 0 : 2);
}

const number = (name) => (given[name] === undefined ? undefined : Number(given[name]));
const present = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
const say = (kind, figures) => console.log(JSON.stringify({ kind, scenario: given.scenario, label: given.label, ...figures }));

const server = new TesServer(
  present({
    base: given.base ?? 'http://127.0.0.1:8000',
    prefix: given.prefix,
    headers: Object.fromEntries((given.header ?? []).map((line) => line.split(/:\s*(.*)/s).slice(0, 2))),
    timeoutSeconds: number('timeout'),
    pid: number('pid'),
    store: given.db,
  }),
);
const options = present({
  connections: number('connections'),
  duration: number('duration'),
  amount: number('amount'),
  reps: number('reps'),
  warmup: number('warmup'),
  yardSeconds: number('yard'),
  view: given.view,
  filter: present({ view: given.view, pageSize: number('page-size'), state: given.state, name: given.name, tag: given.tag }),
  image: given.image,
  command: given.command,
  count: number('count'),
  rare: number('rare'),
  sample: number('sample'),
  expect: number('expect'),
  settleSeconds: number('settle'),
  killAfter: number('kill-after'),
  startCommand: given['start-cmd'],
  startsLog: given['runs-log'],
  onRep: (rep) => say('rep', rep),
});
const summary = await scenario(server, options);
// Each repetition was said when it ended.
say('summary', { ...summary, reps: summary.reps?.length, ...(given.db && { storeMb: sizeMb(given.db) }) });
process.exit(0);
