import { join } from 'node:path';
import { Command } from 'commander';
import { processEnvironment } from './config/process-environment';
import { loadSettings } from './config/settings';
import { GatewayError, StoreError } from './ports/errors';
import { sqliteOptions } from './settings-slices';
import { backupStore } from './stores/sqlite/backup';

interface Options {
  readonly config: readonly string[];
  readonly dataDir?: string;
}

/** What an operator does with the store beside a gateway that may be running. */
function storeCommand(say: (line: string) => void): Command {
  const program = new Command('store').description('The task store of tes-gateway').showHelpAfterError();
  program
    .command('backup')
    .description('Copy the store into FILE, while the gateway may go on')
    .argument('<file>', 'must not exist yet')
    .option('--data-dir <directory>', 'where the store is; as data_dir of the settings')
    .option('--config <file>', 'settings in YAML; may be repeated', (file: string, files: string[]) => [...files, file], [])
    .action(async (file: string, options: Options) => {
      const bytes = await backupStore(storePath(options), file, say);
      say(`${file}: ${bytes} bytes`);
    });
  return program;
}

/** The same layers as the gateway reads, so that both mean the same file. */
function storePath({ config, dataDir }: Options): string {
  const settings = loadSettings({
    files: [join(__dirname, '..', 'settings', 'default.yaml'), ...config],
    env: processEnvironment(),
    argv: dataDir === undefined ? [] : [`--data_dir=${dataDir}`],
  });
  if (settings.store.type !== 'sqlite') {
    throw new StoreError(`store.type is ${settings.store.type}: only the embedded store is backed up so, a database by its own tools`, {
      retryable: false,
    });
  }
  return sqliteOptions(settings).path;
}

storeCommand((line) => process.stdout.write(`${line}\n`))
  .parseAsync()
  .catch((error: unknown) => {
    const known = error instanceof GatewayError || (error instanceof Error && error.name === 'SettingsError');
    process.stderr.write(`${known ? error.message : String((error as Error).stack)}\n`);
    process.exitCode = 1;
  });
