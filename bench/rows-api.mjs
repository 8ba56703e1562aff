// The rows about the API alone. Nothing runs: the backend drains, so that what is posted stays QUEUED.
import { join } from 'node:path';
import { median, processFigures, round } from './figures.mjs';
import { placeStore, RARE } from './filled-store.mjs';
import { prepareGateway } from './gateway.mjs';
import { get, list, page, post } from './scenarios.mjs';

const draining = { runtime: 'bubblewrap', drain: true };
const FEW = 1000;

const ratioRow = (bench, row, what, least, funnel, figures) =>
  bench.row({ row, what, target: `>= ${least} H`, shown: `${round(figures.ratio, 4)} H`, funnel, pass: figures.ratio >= least, figures });
const extraRow = (bench, row, what, figures) =>
  bench.row({ row, what, target: '-', shown: `${round(figures.ratio, 4)} H`, funnel: '-', pass: undefined, figures });

/** A store with 1,000 tasks, and what is posted on top of them. */
export async function smallStore(bench) {
  const rows = ['create', 'get-minimal', 'get-full', 'list'];
  if (!bench.wants(...rows)) return;
  const gateway = await prepareGateway({ main: bench.main, directory: join(bench.work, 'small'), backend: draining });
  await placeStore(bench, gateway, FEW);
  await gateway.start(bench.nodeOptions);
  const { load } = bench;
  try {
    if (bench.wants('list')) {
      bench.listOfFew = await list(gateway, { ...load, expect: 256 });
      extraRow(bench, 'list-few', `MINIMAL page of 256, ${FEW} stored`, bench.listOfFew);
    }
    const created = await post(gateway, {
      ...load,
      syncDirectory: gateway.directory,
      ...(!bench.wants('create') && { reps: 1, duration: 1 }),
    });
    if (bench.wants('create')) ratioRow(bench, 'create', 'create, 1.6 KB, durable before the answer', 0.06, '0.022 H', created);
    if (bench.wants('get-minimal')) {
      ratioRow(bench, 'get-minimal', 'GET MINIMAL', 0.35, '0.27 H', await get(gateway, { ...load, view: 'MINIMAL' }));
    }
    if (bench.wants('get-full')) ratioRow(bench, 'get-full', 'GET FULL', 0.25, '0.14 H', await get(gateway, { ...load, view: 'FULL' }));
    bench.memory('API, few tasks', gateway);
  } finally {
    await gateway.remove();
  }
}

/** A store with a million tasks, all finished but what this bench posts itself. */
export async function millionStore(bench) {
  const rows = ['start', 'list', 'filter-tag', 'filter-state', 'filter-name', 'walk', 'many-stored', 'memory'];
  if (!bench.wants(...rows)) return;
  const { load, many } = bench;
  const gateway = await prepareGateway({ main: bench.main, directory: join(bench.work, 'million'), backend: draining });
  await placeStore(bench, gateway, many);
  const stored = `${many.toLocaleString('en')} stored`;
  try {
    if (bench.wants('start')) await startRow(bench, gateway, stored);
    await gateway.start(bench.nodeOptions);
    if (bench.wants('list')) await listRow(bench, gateway, stored);
    const filters = { tag: { tag: 'rare=yes' }, state: { state: 'SYSTEM_ERROR' }, name: { name: 'rare' } };
    for (const [by, filter] of Object.entries(filters)) {
      if (!bench.wants(`filter-${by}`)) continue;
      const what = `${by} filter with ${RARE} hits, ${stored}`;
      ratioRow(
        bench,
        `filter-${by}`,
        what,
        0.12,
        by === 'tag' ? '< 0.0001 H' : '-',
        await list(gateway, { ...load, filter, expect: RARE }),
      );
    }
    if (bench.wants('walk')) await walkRow(bench, gateway, stored);
    if (bench.wants('many-stored')) {
      extraRow(bench, 'many-stored', `GET FULL of finished tasks, ${stored}`, await get(gateway, { ...load, view: 'FULL' }));
      extraRow(bench, 'many-stored', `create, ${stored}`, await post(gateway, { ...load, syncDirectory: gateway.directory }));
    }
    bench.memory('API, many tasks', gateway);
  } finally {
    await gateway.remove();
  }
}

async function startRow(bench, gateway, stored) {
  const ms = [];
  for (let i = 0; i < bench.load.reps; i++) {
    ms.push(await gateway.start());
    await gateway.stop();
  }
  const middle = median(ms);
  const figures = { ms: ms.map((x) => Math.round(x)) };
  bench.row({
    row: 'start',
    what: `start to ready, ${stored}`,
    target: '<= 1 s',
    shown: `${round(middle / 1000)} s`,
    funnel: '0.3 s',
    pass: middle <= 1000,
    figures,
  });
}

async function listRow(bench, gateway, stored) {
  const figures = await list(gateway, { ...bench.load, expect: 256 });
  ratioRow(bench, 'list', `MINIMAL page of 256 newest, ${stored}`, 0.07, '0.007 H', figures);
  if (!bench.listOfFew) return;
  const slower = bench.listOfFew.ratio / figures.ratio;
  bench.row({
    row: 'list',
    what: `the same page with ${FEW} stored`,
    target: '<= 1.5 x as fast',
    shown: `${round(slower)} x`,
    funnel: '-',
    pass: slower <= 1.5,
    figures: { few: bench.listOfFew.ratio, many: figures.ratio },
  });
}

/** 500 pages/s where H reaches 30,000/s, that is 1/60 of H. */
async function walkRow(bench, gateway, stored) {
  const figures = await page(gateway, bench.load);
  const scaled = figures.ratio * 30_000;
  const seen = figures.reps.every(({ tasks }) => tasks === bench.many + 1);
  bench.row({
    row: 'walk',
    what: `walking all pages of 256, ${stored}, one client`,
    target: '>= 500 pages/s at H = 30,000/s',
    shown: `${round(scaled, 0)} pages/s${seen && figures.failed === 0 ? '' : ', NOT ALL TASKS ONCE'}`,
    funnel: '110',
    pass: scaled >= 500 && seen && figures.failed === 0,
    figures,
  });
}

/** What is left in memory after the whole bench: the largest of all gateways it had, each when its rows were done. */
export function memoryRow(bench) {
  if (!bench.wants('memory') || bench.memories.length === 0) return;
  const most = Math.max(...bench.memories.map(({ rssMb }) => rssMb));
  const figures = { gateways: bench.memories };
  bench.row({
    row: 'memory',
    what: 'memory after the whole bench',
    target: '<= 250 MB',
    shown: `${round(most, 0)} MB`,
    funnel: '2,190 MB mapped',
    pass: most <= 250,
    figures,
  });
}

/** For `bench.memory`. */
export const memoryOf = (name, gateway) => ({ name, ...processFigures(gateway.pid) });
