import type { Adapters, SettingDefinition } from '../ports/adapter';
import { SettingsError } from './settings';
import { entryPage } from './entry-page';
import { settingDefinitions, settingsPage } from './settings-schema';

export interface CommandLine {
  /** Files named by `--config`, in order. */
  readonly configFiles: readonly string[];
  readonly action: 'serve' | 'version' | 'check-config' | 'help';
  /** Everything else: flags of settings. */
  readonly flags: readonly string[];
}

const ACTIONS: Readonly<Record<string, CommandLine['action']>> = {
  '--version': 'version',
  '--check-config': 'check-config',
  '--help': 'help',
};

/**
 * Takes out what is not a setting: `--config FILE`, `--config=FILE`, `--version`, `--check-config`, `--help`.
 * @throws SettingsError for a `--config` without a file
 */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const configFiles: string[] = [];
  const flags: string[] = [];
  let action: CommandLine['action'] = 'serve';
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    const named = ACTIONS[word];
    const next = argv[at + 1];
    if (at === 0 && word === 'serve') continue;
    if (named) action = named;
    else if (word.startsWith('--config=')) configFiles.push(word.slice('--config='.length));
    else if (word === '--config') {
      if (next === undefined) throw new SettingsError(['--config: needs the name of a file']);
      configFiles.push(next);
      at += 1;
    } else flags.push(word);
  }
  return { configFiles, action, flags };
}

/** What `--help` prints. */
export function helpText(adapters: Adapters): string {
  const line = (indent: string, key: string, definition: SettingDefinition): string =>
    `${indent}${key}  ${definition.doc}${defaultText(definition)}`;
  const entries = adapters.backends.flatMap((backend) => [
    '',
    `An entry of backends of type ${backend.type}:`,
    ...Object.entries(entryPage(backend)).map(([key, definition]) => line('  ', key, definition)),
  ]);
  return [
    'tes-gateway: a GA4GH TES 1.1 server',
    '',
    '  serve            serve (also without this word)',
    '  store COMMAND    look after the task store; store --help says more',
    '  stager           move the files of one task on a worker; its job script starts it',
    '  hash-password    ask for a password, and print what stands in the settings for it',
    '',
    '  --config FILE    settings in YAML; may be repeated, the later one wins',
    '  --check-config   print the effective settings and end',
    '  --version        print the version and end',
    '',
    'Settings (also by file, and by environment as TES_GATEWAY__SERVER__PORT; a secret also as KEY_file, the name of a file that holds it):',
    ...[...settingDefinitions(settingsPage(adapters))].map(([key, definition]) => line('  --', key, definition)),
    ...entries,
  ].join('\n');
}

function defaultText({ default: value }: SettingDefinition): string {
  return value === '' || value === undefined ? '' : ` [${typeof value === 'string' ? value : JSON.stringify(value)}]`;
}
