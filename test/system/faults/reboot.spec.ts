import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, describeEngine, type Engine, startContainerEngine } from '../engines';
import { nothingIsLeft } from '../leftovers';
import { prepareServer, processesNaming, type RunningServer } from '../server';
import { eventually } from '../tes-client';
import { Witness } from '../witness';

/**
 * The first process of a machine: BOOT_ID_FILE FOREIGN_COMMAND FOREIGN_COUNT STARTED_FILES VOLATILE PROGRAM... Numbers begin anew; the first
 * of them go to processes that have nothing to do with the gateway. In the files that STARTED_FILES lists the start of the job is made that of
 * whoever has its number now. The directories of VOLATILE are empty, as those are that a machine holds in memory.
 */
const MACHINE = `
mount --bind "$1" /proc/sys/kernel/random/boot_id || exit
for directory in $5; do mkdir -p "$directory" && mount -t tmpfs tmpfs "$directory" || exit; done
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
shift 5
"$@" &
wait "$!"`;

/** Each start of the server is a new start of its machine: namespaces of processes and mounts that end with all that is in them. */
for (const name of ['bubblewrap', 'podman'] as const) {
  describeEngine(name, 'a machine that is started anew', (shared) => {
    let server: RunningServer;
    let witness: Witness;
    let foreignCommand: string;
    let engine: Engine;
    let volatile: readonly string[] = [];

    beforeAll(async () => {
      engine = shared();
      if (name !== 'podman') return;
      engine = await startContainerEngine('podman', 'podman-reboot');
      volatile = [join(cacheDirectory, 'podman-reboot', 'run'), '/run', '/dev/shm'];
    }, 120_000);
    beforeEach(async () => {
      witness = await new Witness().start();
      server = await prepareServer({
        engine,
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
          ...['sh', '-c', MACHINE, 'machine', file, foreignCommand, String(foreign), list, volatile.join(' ')],
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
          image: engine.images.busybox,
          command: ['sh', '-c', `${before}${witness.program(label)} >/out/result`],
        },
      ],
    });

    const FIRST_BOOT = '11111111-1111-4111-8111-111111111111';
    const SECOND_BOOT = '22222222-2222-4222-8222-222222222222';
    const BOOTS = [
      ['', SECOND_BOOT, false],
      [', even if these began at the same tick after the start', SECOND_BOOT, true],
      [', even if the boot has the same id', FIRST_BOOT, false],
    ] as const;
    // Who a process is, is found out in the same way whatever the runtime.
    it.each(name === 'podman' ? BOOTS.slice(0, 1) : BOOTS)(
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
          await eventually(`a second start of ${label}`, () => (witness.starts(label) === 2 ? true : undefined));
        for (const label of ['one', 'two']) witness.release(label);
        for (const id of ids) await client.until(id, ['COMPLETE']);
        for (const label of ['one', 'two']) {
          expect(readFileSync(join(server.files, label), 'utf8')).toBe(`through ${label}`);
          expect(witness.starts(label)).toBe(2);
        }
        await eventually('clean-up', () => (startedFiles().length === 0 ? true : undefined));
        expect(foreigners()).toHaveLength(foreign);
        // Looked at from outside, where a podman takes its containers for those of a machine that is gone.
        await powerOff();
        await nothingIsLeft(server, engine, ids);
      },
      240_000,
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
      await client.until(id, ['CANCELED']);
      expect(foreigners()).toHaveLength(foreign);
    }, 120_000);
  });
}
