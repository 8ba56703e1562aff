import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeEngine } from '../engines';
import { nothingIsLeft } from '../leftovers';
import type { RunningServer } from '../server';
import { prepareServer, processesNaming } from '../server';
import { eventually } from '../tes-client';
import { Witness } from '../witness';

/**
 * The first process of a machine: BOOT_ID_FILE FOREIGN_COMMAND FOREIGN_COUNT STARTED_FILES PROGRAM... Numbers begin anew; the first of them
 * go to processes that have nothing to do with the gateway. In the files that STARTED_FILES lists the start of the job is made that of whoever
 * has its number now.
 */
const MACHINE = `
mount --bind "$1" /proc/sys/kernel/random/boot_id || exit
number=0
while [ "$number" -lt "$3" ]; do
  (cd / && exec env -i $2 >/dev/null 2>&1) &
  number=$((number + 1))
done
while read -r file; do
  read -r pid ticks boot <"$file"
  ticks=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)
  echo "$pid $ticks $boot" >"$file"
done <"$4"
shift 4
"$@" &
wait "$!"`;

/** Each start of the server is a new start of its machine: namespaces of processes and mounts that end with all that is in them. */
describeEngine('bubblewrap', 'a machine that is started anew', (engine) => {
  let server: RunningServer;
  let witness: Witness;
  let foreignCommand: string;

  beforeEach(async () => {
    witness = await new Witness().start();
    server = await prepareServer({
      engine: engine(),
      backend: { network: 'host', cpus: 4, ram_gb: 16 },
      settings: { retry: { first_delay_seconds: 0.2, attempts: 20 } },
    });
    foreignCommand = `sleep 86400.${server.port}`;
  }, 120_000);
  afterEach(async () => {
    await witness.stop();
    await server.remove();
  });

  const boot = async (id: string, foreign = 0, startedFiles: readonly string[] = []): Promise<void> => {
    const file = join(server.directory, 'boot_id');
    writeFileSync(file, `${id}\n`);
    const list = join(server.directory, 'started_files');
    writeFileSync(list, startedFiles.map((path) => `${path}\n`).join(''));
    await server.start({
      prefix: [
        ...['unshare', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child', '--'],
        ...['sh', '-c', MACHINE, 'machine', file, foreignCommand, String(foreign), list],
      ],
    });
  };
  /** The whole machine, as by its power switch. */
  const powerOff = async (): Promise<void> => {
    await server.kill9();
    await eventually('all processes to be gone', () => (server.processes().length === 0 ? true : undefined));
  };
  const startedFiles = (): string[] => {
    const jobs = join(server.workDirectory, 'local', 'jobs');
    return readdirSync(jobs).map((name) => join(jobs, name, 'started'));
  };
  const foreigners = (): unknown[] => processesNaming([foreignCommand]).filter(({ commandLine }) => commandLine === foreignCommand);
  const wordsOf = (path: string): string[] => readFileSync(path, 'utf8').trim().split(' ');
  /** So many that the numbers of all jobs are among theirs. */
  const enough = (files: readonly string[]): number => Math.max(...files.map((path) => Number(wordsOf(path)[0]))) + 50;

  const task = (label: string, before = ''): object => ({
    resources: { cpu_cores: 1, ram_gb: 0.1 },
    outputs: [{ url: join(server.files, label), path: '/out/result' }],
    executors: [
      {
        image: 'localhost/busybox:latest',
        command: ['sh', '-c', `${before}${witness.visit('hit', `${label}-start`)}; ${witness.visit('gate', label)} >/out/result`],
      },
    ],
  });

  const FIRST_BOOT = '11111111-1111-4111-8111-111111111111';
  const SECOND_BOOT = '22222222-2222-4222-8222-222222222222';
  it.each([
    ['', SECOND_BOOT, false],
    [', even if these began at the same tick after the start', SECOND_BOOT, true],
    [', even if the boot has the same id', FIRST_BOOT, false],
  ])(
    'runs its tasks again, and neither ends nor believes in foreign processes that have the numbers of its jobs%s',
    async (_how, secondBoot, sameTicks) => {
      await boot(FIRST_BOOT);
      const { client } = server;
      const ids = [await client.create(task('one')), await client.create(task('two'))];
      for (const label of ['one', 'two']) await witness.seen('gate', label);
      const files = startedFiles();
      expect(files.map((path) => wordsOf(path)[2])).toEqual([FIRST_BOOT, FIRST_BOOT]);

      await powerOff();
      const foreign = enough(files);
      await boot(secondBoot, foreign, sameTicks ? files : []);
      for (const label of ['one', 'two'])
        await eventually(`a second start of ${label}`, () => (witness.count('hit', `${label}-start`) === 2 ? true : undefined));
      for (const label of ['one', 'two']) witness.release(label);
      for (const id of ids) expect((await client.ended(id)).state).toBe('COMPLETE');
      for (const label of ['one', 'two']) {
        expect(readFileSync(join(server.files, label), 'utf8')).toBe(`through ${label}`);
        expect(witness.count('hit', `${label}-start`)).toBe(2);
      }
      // The server itself lives below its first process here, so that what is left is looked for by the tasks' names alone.
      await nothingIsLeft({ workDirectory: server.workDirectory, processes: () => [] }, engine(), ids);
      expect(foreigners()).toHaveLength(foreign);
    },
    120_000,
  );

  it('ends a cancelled task, and leaves foreign processes with the numbers of its job alone', async () => {
    await boot(FIRST_BOOT);
    const { client } = server;
    const id = await client.create(task('cancelled', "trap '' TERM; "));
    await witness.seen('gate', 'cancelled');
    const foreign = enough(startedFiles());
    await client.cancel(id);
    await powerOff();
    await boot(SECOND_BOOT, foreign);
    expect((await client.ended(id)).state).toBe('CANCELED');
    expect(foreigners()).toHaveLength(foreign);
  }, 120_000);
});
