import './node-version';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { adapters } from './adapters';
import { instanceName } from './config/instance-name';
import { processEnvironment } from './config/process-environment';
import { makeDirectory } from './config/make-directory';
import { loadSettings, type Settings } from './config/settings';
import { KeyFile } from './credentials/key-file';
import { sealAnew } from './credentials/rotation';
import { declareBackendGone, declareGone } from './operator/declare-gone';
import { giveTasks } from './operator/give-tasks';
import { readLines, writeLines } from './operator/line-file';
import { exportTasks, importTasks } from './operator/store-transfer';
import { TaskChanges } from './engine/task-changes';
import { TaskWriter } from './engine/task-writer';
import { adapterOf, type StoreAdapter } from './ports/adapter';
import { GatewayError, StoreError } from './ports/errors';
import { BackendRegistry } from './ports/registries';
import type { TaskStore } from './ports/store/task-store';
import { maxDueMs } from './settings-slices';
import { outliveReaders } from './telemetry/standard-streams';

interface Options {
  readonly config: readonly string[];
  readonly dataDir?: string;
}

interface GoneOptions extends Options {
  readonly backend?: string;
  readonly force?: boolean;
}

interface GiveOptions extends Options {
  readonly from: string;
  readonly name?: string;
}

type Say = (line: string) => void;

const MOVING = `
Moving to another store: stop every gateway, export, set store.type (and store.url) to the new store, import, start the gateways.
A task that waits goes on waiting. A task under way goes on only when the gateway that began it starts on the new store with the same
instance name, work_dir and backends: its handle is of no use to another one. No gateway may be started on the old store again:
it would run the same tasks again. Live output and Idempotency-Key headers are not moved. Tasks keep ids, owners, times and logs.`;

const KEYS = `
An embedded store must not be in use meanwhile. Of several gateways each needs the file: --only-add on one, copy the file to the others, then
--only-encrypt, and copy it again. A backup of the store is of use only with the keys of its time: keep those apart from it.`;

/** What an operator does with the store beside a gateway that may be running. */
function storeCommand(say: Say): Command {
  const program = new Command('store').description('The task store of tes-gateway').showHelpAfterError();
  const command = (name: string, about: string): Command =>
    program
      .command(name)
      .description(about)
      .option('--data-dir <directory>', 'where the store is; as data_dir of the settings')
      .option('--config <file>', 'settings in YAML; may be repeated', (file: string, files: string[]) => [...files, file], []);

  command('backup', 'Copy the embedded store into FILE, while the gateway may go on')
    .argument('<file>', 'must not exist yet')
    .action(async (file: string, options: Options) => {
      const settings = settingsOf(options);
      const store = storeOf(settings);
      if (!store.backup) throw refused(`store.type is ${store.type}: only the embedded store is backed up so, a database by its own tools`);
      const bytes = await store.backup({ dataDir: settings.data_dir, onProgress: say }, file);
      say(`${file}: ${bytes} bytes`);
    });

  command('gone', 'Declare a gateway or a backend gone for good: its tasks start again elsewhere')
    .argument('[instance]', 'the name of the gateway')
    .option('--backend <name>', 'a backend that no gateway has any more')
    .option('--force', 'even if the gateway was alive less than 30 s ago, or the backend is still in these settings')
    .action(async (instance: string | undefined, options: GoneOptions) => {
      const settings = settingsOf(options);
      const { backend } = options;
      const gone = backend ?? instance;
      if (gone === undefined || (instance !== undefined && backend !== undefined))
        throw refused('name either a gateway, or a backend with --backend');
      refuseNoStore(settings);
      if (options.force !== true) refuseWhatIsHere(settings, instance, backend);
      const declare = backend === undefined ? declareGone : declareBackendGone;
      const changed = await withStore(settings, say, (store) => declare(store, writerOn(store), gone, options.force === true));
      for (const { id, state } of changed) say(`${id}: ${state}`);
      say(changed.length === 0 ? `no task waits for ${gone}` : `${changed.length} tasks released from ${gone}`);
    });

  command('restore-outputs', 'Have the outputs of SYSTEM_ERROR tasks stored that could not be, by the gateway that has their workspaces')
    .argument('<ids...>', 'the tasks')
    .action(async (ids: string[], options: Options) => {
      const settings = settingsOf(options);
      refuseNoStore(settings);
      await withStore(settings, say, async (store) => {
        const writer = writerOn(store);
        for (const id of ids) {
          const applied = await writer.apply(id, { type: 'restoreRequested' });
          const isAsked = 'task' in applied && applied.task.step === 'restore';
          say(`${id}: ${isAsked ? 'its outputs are stored when its gateway runs' : 'no workspace of it is kept'}`);
          if (!isAsked) process.exitCode = 1;
        }
      });
    });

  command('give', 'Give the tasks from before the login, which only admins see, to somebody')
    .argument('<owner>', 'issuer|subject, as /ext/v1/me shows it to whoever gets them: basic|ann')
    .option('--name <name>', 'what people call the owner')
    .option('--from <owner>', 'whose they are now; to put right what was given to the wrong one', 'anonymous')
    .action(async (owner: string, options: GiveOptions) => {
      const settings = settingsOf(options);
      refuseNoStore(settings);
      const { from, name } = options;
      const gift = { from, owner, ...(name !== undefined && { ownerName: name }) };
      const given = await withStore(settings, say, (store) => giveTasks(store, writerOn(store), gift, everySeconds(say)));
      say(`${given} tasks of ${from} belong to ${owner} now`);
    });

  command('credentials-key', 'Put a new key into the file of credentials.key_file, and encrypt what users have saved with it')
    .addHelpText('after', KEYS)
    .option('--only-add', 'only the first step; the file is made where there is none')
    .option('--only-encrypt', 'only the second: the first key of the file encrypts what others do, and these are taken out')
    .action(async (options: Options & { readonly onlyAdd?: true; readonly onlyEncrypt?: true }) => {
      const settings = settingsOf(options);
      const { key_file: path } = settings.credentials;
      if (path === '') throw refused('credentials.key_file does not say where the keys are');
      if (options.onlyAdd === true && options.onlyEncrypt === true)
        throw refused('--only-add and --only-encrypt are one step each: give neither for both');
      const keys = new KeyFile(path);
      const add = async (): Promise<void> => say(`${path}: key ${(await keys.add()).id} encrypts from now on`);
      // A new gateway has its first key before it has a store.
      if (options.onlyAdd === true || !hasStore(settings)) return add();
      await withStore(settings, say, async ({ credentials }) => {
        if (options.onlyEncrypt !== true) await add();
        say(`${await sealAnew(credentials, keys)} credentials encrypted anew`);
        const needed = await credentials.keyIds();
        say(`${await keys.drop((id) => needed.includes(id))} keys taken out`);
      });
    });

  command('export', 'Write all tasks into FILE, as JSON lines')
    .argument('<file>', 'must not exist yet')
    .option('--finished', 'only tasks that have ended; gateways on a shared store may then go on')
    .addHelpText('after', MOVING)
    .action(async (file: string, options: Options & { readonly finished?: boolean }) => {
      let lines = 0;
      const settings = settingsOf(options);
      refuseNoStore(settings);
      await withStore(settings, say, async (store) => {
        const counted = async function* (): AsyncGenerator<string, void> {
          for await (const line of exportTasks(store, options.finished === true ? 'finished' : 'all')) {
            lines += 1;
            yield line;
          }
        };
        await writeLines(file, counted());
      });
      say(`${file}: ${lines - 2} tasks`);
    });

  command('import', 'Add the tasks of an export to the store; after an interruption, do it again: what is there is left alone')
    .argument('<file>', 'made by export')
    .addHelpText('after', MOVING)
    .action(async (file: string, options: Options) => {
      const settings = settingsOf(options);
      makeDirectory(settings.data_dir);
      const { imported, present } = await withStore(settings, say, (store) => importTasks(readLines(file), store, everySeconds(say)));
      say(`${file}: ${imported} tasks imported, ${present} were there already`);
    });
  return program;
}

/** Says every five seconds how many tasks it is. */
function everySeconds(say: Say): (tasks: number) => void {
  let told = performance.now();
  return (tasks) => {
    if (performance.now() - told < 5000) return;
    told = performance.now();
    say(`${tasks} tasks so far`);
  };
}

/** The same layers as the gateway reads, so that both mean the same store. */
function settingsOf({ config, dataDir }: Options): Settings {
  const layers = {
    files: config,
    env: processEnvironment(),
    argv: dataDir === undefined ? [] : [`--data_dir=${dataDir}`],
  };
  return loadSettings(layers, adapters);
}

function storeOf({ store }: Settings): StoreAdapter {
  return adapterOf(adapters.stores, store.type);
}

/** Other settings mean another store: a new, empty one would answer as if all were well. */
function refuseNoStore(settings: Settings): void {
  if (!hasStore(settings))
    throw refused(`there is no task store at ${fileOf(settings)}: give the gateway's settings (--config, --data-dir)`);
}

/** One that is not a file may be there. */
function hasStore(settings: Settings): boolean {
  const file = fileOf(settings);
  return file === undefined || existsSync(file);
}

function fileOf(settings: Settings): string | undefined {
  return storeOf(settings).file?.({ dataDir: settings.data_dir });
}

/** These settings say what will come back. */
function refuseWhatIsHere(settings: Settings, instance: string | undefined, backend: string | undefined): void {
  if (settings.backends.some(({ name }) => name === backend))
    throw refused(`backend ${backend} is set up in these settings: take it out first, or use --force`);
  if (!storeOf(settings).isShared && instance === instanceName(settings.instance, settings.data_dir))
    throw refused(`${instance} is the gateway of this data directory: start it, or use --force`);
}

async function withStore<Result>(settings: Settings, say: Say, work: (store: TaskStore) => Promise<Result>): Promise<Result> {
  const store = await openStore(settings, say);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function openStore(settings: Settings, say: Say): Promise<TaskStore> {
  const { store, opened } = await storeOf(settings).create(settings.store, {
    dataDir: settings.data_dir,
    instance: `store-command-${randomBytes(6).toString('hex')}`,
    maxDueMs: maxDueMs(settings),
    onProgress: say,
  });
  await opened;
  return store;
}

function writerOn(store: TaskStore): TaskWriter {
  const nobody = new TaskChanges((error) => {
    throw error;
  });
  return new TaskWriter(store, new BackendRegistry([]), nobody, Date.now);
}

function refused(what: string): StoreError {
  return new StoreError('This cannot be done with this store', { retryable: false, internal: what });
}

outliveReaders();
storeCommand((line) => process.stdout.write(`${line}\n`))
  .parseAsync()
  .catch((error: unknown) => {
    const isKnown = error instanceof GatewayError || (error instanceof Error && (error.name === 'SettingsError' || 'syscall' in error));
    process.stderr.write(`${isKnown ? error.message : String((error as Error).stack)}\n`);
    process.exitCode = 1;
  });
