import { parseArgs } from 'node:util';

const HELP = `npm run bench -- [options]

  --rows create,get   only the rows whose names begin so: create, get-minimal, get-full, list, filter-tag, filter-state, filter-name, walk,
                      login-jwt, login-token, login-basic, login-memory,
                      start, many-stored, largest, one-bubblewrap, many-bubblewrap, one-podman, many-podman,
                      cancel-bubblewrap, crowd-bubblewrap, cancel-beside-bubblewrap (so of apptainer, docker, podman), idle, queue, files,
                      pulsar-overhead, pulsar-overhead-amqp, pulsar-file, stager-file, pulsar-neighbours, pulsar-running, memory
  --store mongodb     the rows of MongoDB as the store instead, beside the bare driver: create, create-http, get-minimal, get-full, claim,
                      page-none, page-owner, page-state, page-tag, ..., idle, looks, quiet, memory,
                      h-page, h-tag, h-get-minimal, h-get-full, h-create, life; MONGODB_URI names another server than the tests'
  --quick             small sizes and one repetition: shows that everything works, no figures to quote
  --soak              instead of the table: --minutes (20) of mixed load, and whether the end is like the beginning
  --json FILE         everything that was measured
  --reps N            repetitions of a row that is a ratio to H (3)
  --seconds N         length of a repetition (4)
  --parallel N        tasks at once in the rows that run tasks (as many as there are CPUs)
  --main FILE         another build than dist/main.js, which is built when it is not there
  --profile DIR       writes a CPU profile of every gateway there (--cpu-prof)`;

const sizes = {
  full: {
    load: { reps: 3, duration: 4, yardSeconds: 2, warmup: 2 },
    many: 1_000_000,
    stored: 100_000,
    principals: 100_000,
    live: 10_000,
    alone: 20,
    atOnce: 1000,
    atOncePodman: 200,
    crowd: 4000,
    neighbours: 2000,
    waiting: 10_000,
    running: 2000,
    idleSeconds: 30,
    fileMb: 2048,
    minutes: 20,
    pollSeconds: 60,
    pulsarTasks: 200,
    pulsarRunning: 1000,
    pulsarStuck: 300,
    pulsarSettleSeconds: 110,
  },
  quick: {
    load: { reps: 1, duration: 1, yardSeconds: 1, warmup: 1 },
    many: 20_000,
    stored: 2000,
    principals: 2000,
    live: 1000,
    alone: 5,
    atOnce: 40,
    atOncePodman: 8,
    crowd: 200,
    neighbours: 300,
    waiting: 500,
    running: 200,
    idleSeconds: 5,
    fileMb: 64,
    minutes: 3,
    pollSeconds: 5,
    pulsarTasks: 10,
    pulsarRunning: 100,
    pulsarStuck: 60,
    pulsarSettleSeconds: 10,
  },
};

/** Sizes and wishes, from the command line. Ends the process where it asks for help or cannot be understood. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      rows: { type: 'string', default: '' },
      quick: { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      store: { type: 'string', default: 'sqlite' },
      json: { type: 'string' },
      reps: { type: 'string' },
      seconds: { type: 'string' },
      parallel: { type: 'string' },
      minutes: { type: 'string' },
      main: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  if (!['sqlite', 'mongodb'].includes(values.store)) {
    console.error(`--store is sqlite or mongodb, not ${values.store}`);
    process.exit(1);
  }
  const { reps, seconds, profile, minutes, parallel, ...wishes } = values;
  const size = sizes[values.quick ? 'quick' : 'full'];
  return {
    ...size,
    ...wishes,
    rows: values.rows.split(',').filter(Boolean),
    load: { ...size.load, ...(reps && { reps: Number(reps) }), ...(seconds && { duration: Number(seconds) }) },
    minutes: Number(minutes ?? size.minutes),
    parallel: parallel && Number(parallel),
    nodeOptions: profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [],
  };
}
