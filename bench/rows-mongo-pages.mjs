// Pages out of very many tasks, beside the same pages out of few.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import mongoose from 'mongoose';
import { beside, rate } from './beside.mjs';
import { round } from './figures.mjs';
import { FILTERS, RARE } from './fill-mongo.mjs';
import { finished } from './filled-store.mjs';

const FEW = 1000;
const PAGE = 256;
const CALLERS = 4;
/** Different deep pages, one after the other. */
const DEPTHS = 16;
const MOST = 1.5;

/** What decides how stored tasks look, beside the filling itself. */
function layoutOf(bench) {
  const layout = createHash('sha256');
  const folder = join(dirname(bench.main), 'stores/mongo');
  const files = ['search-terms.js', 'task-codec.js', 'creation-order.js'].map((name) => join(folder, name));
  for (const file of [...files, join(import.meta.dirname, 'fill-mongo.mjs')]) layout.update(readFileSync(file));
  return layout.digest('hex').slice(0, 8);
}

/** A database with so many tasks; made once for each count and layout, and kept. */
export async function filledDatabase(bench, count) {
  const { client, url } = bench.mongo;
  const layout = layoutOf(bench);
  const { databases } = await client.db('admin').command({ listDatabases: 1, nameOnly: true });
  for (const { name } of databases.filter(({ name }) => name.startsWith(`tes_filled_${count}_`))) {
    if ((await client.db(name).collection('filled').findOne({}))?.layout === layout) return name;
    await client.db(name).dropDatabase();
  }
  const name = `tes_filled_${count}_${layout}`;
  bench.say(`filling a database with ${count} tasks (once; kept in ${bench.cache}/mongo)`);
  const args = [join(import.meta.dirname, 'fill-mongo.mjs'), dirname(bench.main), url, name, String(count)];
  await finished(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }), bench.say);
  await client.db(name).collection('filled').insertOne({ count, layout });
  return name;
}

export async function mongoPages(bench) {
  const rowOf = (name, deep) => `page-${name}${deep ? '-deep' : ''}`.replaceAll(' + ', '-');
  if (!bench.wants('page-rare', ...Object.keys(FILTERS).flatMap((name) => [rowOf(name, false), rowOf(name, true)]))) return;
  const few = await openFilled(bench, FEW);
  const many = await openFilled(bench, bench.many);
  const stored = bench.many.toLocaleString('en');
  for (const [name, filter] of Object.entries(FILTERS)) {
    for (const deep of [false, true]) {
      const row = rowOf(name, deep);
      if (bench.wants(row)) await pageRow(bench, row, `${name}, ${deep ? 'deep' : 'first page'}`, [few, many], filter, deep);
    }
  }
  if (bench.wants('page-rare')) await rareRow(bench, few, many, stored);
}

async function openFilled(bench, count) {
  const database = await filledDatabase(bench, count);
  const store = await bench.mongo.openStore(database);
  const { PageTokens } = bench.mongo.require('./stores/mongo/page-token.js');
  const { storeId } = await bench.mongo.client.db(database).collection('meta').findOne({ _id: 'schema' });
  return { count, store, tasks: bench.mongo.client.db(database).collection('tasks'), tokens: new PageTokens(storeId) };
}

async function pageRow(bench, row, what, [few, many], filter, deep) {
  const [oneOfFew, oneOfMany] = [await pages(few, filter, deep), await pages(many, filter, deep)];
  const figures = await beside(timesOf(bench), oneOfMany, { few: oneOfFew });
  const slower = 1 / figures.ratios.few;
  bench.row({
    row,
    what: `MINIMAL page of ${PAGE} of ${bench.many.toLocaleString('en')}, ${what}`,
    target: `<= ${MOST} x as long as of ${FEW.toLocaleString('en')}`,
    shown: `${round(slower)} x (${Math.round(figures.perSecond)}/s)`,
    beside: `of ${FEW.toLocaleString('en')}: ${Math.round(figures.barePerSecond.few)}/s`,
    pass: slower <= MOST,
    figures,
  });
}

/** Tasks that lie far apart: each in a block of the disk of its own. */
async function rareRow(bench, few, many, stored) {
  const figures = await beside(timesOf(bench), await pages(many, RARE, false), { few: await pages(few, FILTERS.tag, false) });
  bench.row({
    row: 'page-rare',
    what: `MINIMAL page of a tag that one task in 1,000 of ${stored} has`,
    target: '-',
    shown: `${round(1 / figures.ratios.few)} x (${Math.round(figures.perSecond)}/s)`,
    beside: `a common tag of ${FEW.toLocaleString('en')}: ${Math.round(figures.barePerSecond.few)}/s`,
    pass: undefined,
    figures,
  });
}

const timesOf = ({ load: { reps, duration } }) => ({ reps: reps + 2, seconds: duration / 10 });

/** A side: pages of one filter, the first or one deep place after the other. Each place was read once before. */
async function pages({ store, tasks, tokens, count }, filter, deep) {
  const starts = deep ? await deepTokens(tasks, tokens, filter, count) : [undefined];
  const query = (number) => ({ ...filter, pageSize: PAGE, ...(deep && { pageToken: starts[number % starts.length] }) });
  for (const number of starts.keys()) {
    const { items } = await store.listMinimal(query(number));
    if (items.length < Math.min(PAGE, count / 1000)) throw new Error(`a page of ${JSON.stringify(filter)} holds ${items.length} tasks`);
  }
  let asked = 0;
  return (seconds) => rate({ callers: CALLERS, seconds }, async () => void (await store.listMinimal(query(asked++))));
}

/** Of few: places after which one page and some more remain. Of many: spread around the middle. */
async function deepTokens(tasks, tokens, filter, count) {
  const middle = count === FEW ? 100 : Math.floor(count / 2);
  const apart = count === FEW ? 1 : Math.floor(count / 1000);
  const found = await tasks
    .find({}, { projection: { _id: 0, place: 1 }, sort: { place: -1 }, hint: { place: -1 }, skip: middle, limit: DEPTHS * apart })
    .toArray();
  const places = found.filter((_, index) => index % apart === 0).map(({ place }) => new mongoose.mongo.ObjectId(place.id));
  return places.map((place) => tokens.encode(filter, place));
}
