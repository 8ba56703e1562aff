import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { adapters } from '../../src/adapters';
import { Gateway, createLog } from '../../src/gateway';
import { makeDirectories } from '../../src/config/make-directory';
import { helpText } from '../../src/config/command-line';
import { describeSettings, loadSettings } from '../../src/config/settings';
import { settingsJsonSchema } from '../../src/config/settings-json-schema';
import type { Adapters, AuthenticatorAdapter, BackendAdapter, BackendEntry, StorageAdapter, StoreAdapter } from '../../src/ports/adapter';
import { Authenticator, type Credentials, type Principal } from '../../src/ports/authenticator';
import { Unauthenticated } from '../../src/ports/errors';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import { makeWorkDirectory } from '../contract/backend/execution-backend.fixture';
import { MemoryStorage } from '../support/memory-storage';
import { ScriptedBackend, ScriptedWorld } from '../support/scripted-backend';
import { Client } from './client';

/** What somebody who adds an adapter writes: one record each, and one entry in its list. */

class WordAuthenticator extends Authenticator {
  readonly scheme = 'word';
  override readonly challenge = 'Word realm="made-up"';
  constructor(private readonly word: string) {
    super();
  }
  authenticate({ headers }: Credentials): Promise<Principal | undefined> {
    if (headers['x-word'] === undefined) return Promise.resolve(undefined);
    if (headers['x-word'] !== this.word) return Promise.reject(new Unauthenticated('that is not the word'));
    return Promise.resolve({ kind: 'user', owner: 'made-up|ann', name: 'ann', groups: [], roles: ['user'] });
  }
}

const storage = new MemoryStorage();
const entries: BackendEntry[] = [];

const backend: BackendAdapter<{ readonly colour: string }> = {
  type: 'crayon',
  doc: 'a box of crayons',
  isRemote: true,
  settings: { colour: { doc: 'What it draws with', format: ['red', 'green'], default: undefined, required: true } },
  faults: ({ colour }) => (colour === 'green' ? ['colour: there is no green left'] : []),
  create(entry) {
    entries.push(entry);
    const life = () => ({ looks: 0, ending: { phase: 'succeeded' as const } });
    return Promise.resolve(
      new ScriptedBackend(new ScriptedWorld(), { life, capabilities: { pollMs: { first: 10, longest: 100 } } }, entry.name),
    );
  },
};
const store: StoreAdapter<{ readonly shelf: string }> = {
  type: 'shelf',
  doc: 'a shelf',
  isShared: false,
  settings: { shelf: { doc: 'Which shelf', format: 'text', default: 'top', sensitive: true } },
  async create(_values, { maxDueMs }) {
    return { store: await SqliteTaskStore.open({ path: ':memory:', maxDueMs }), opened: Promise.resolve() };
  },
};
const memory: StorageAdapter<{ readonly label: string }> = {
  type: 'memory',
  doc: 'memory',
  schemes: ['mem'],
  settings: { label: { doc: 'What is written on it', format: 'text', default: 'none' } },
  here: ({ label }) => ({ label }),
  create: () => Promise.resolve(storage),
};
const word: AuthenticatorAdapter<{ readonly word: string }> = {
  type: 'word',
  doc: 'a word',
  settings: { word: { doc: 'The word', format: 'text', default: '', sensitive: true } },
  create: ({ word: said }) => Promise.resolve(new WordAuthenticator(said)),
};

const known: Adapters = {
  backends: [...adapters.backends, backend],
  stores: [...adapters.stores, store],
  storages: [...adapters.storages, memory],
  authenticators: [...adapters.authenticators, word],
};

describe('a made-up backend, storage, store and authenticator, each one entry of a list', () => {
  let directory: string;
  let wordFile: string;
  beforeAll(async () => {
    directory = await makeWorkDirectory('adapters');
    wordFile = join(directory, 'word');
    await fs.writeFile(wordFile, 'sesame\n');
  });
  afterAll(() => fs.rm(directory, { recursive: true, force: true }));

  const load = (...argv: string[]) =>
    loadSettings(
      {
        files: [],
        env: {},
        argv: [
          `--data_dir=${join(directory, 'data')}`,
          `--work_dir=${join(directory, 'work')}`,
          '--server.port=0',
          '--store.type=shelf',
          '--store.shelf=hidden',
          '--storage.memory.label=mine',
          '--auth.schemes=[word]',
          `--auth.word.word_file=${wordFile}`,
          '--backends=[{name: far, type: crayon, colour: red, when_away: move}]',
          ...argv,
        ],
      },
      known,
    );

  it('have their settings read, checked, explained and masked like the others', () => {
    const settings = load();
    expect(settings.backends).toMatchObject([{ name: 'far', type: 'crayon', colour: 'red', when_away: 'move', move_after_seconds: 600 }]);
    expect(settings).toMatchObject({
      storage: { memory: { label: 'mine' } },
      auth: { word: { word: 'sesame' } },
      store: { shelf: 'hidden' },
    });
    const shown = describeSettings(settings, known);
    expect(shown).toContain('label: mine');
    expect(shown).not.toMatch(/sesame|hidden/);
    expect(() => load('--backends=[{type: crayon}]')).toThrow('--backends: backends[0].colour: is required');
    expect(() => load('--backends=[{type: crayon, colour: green}]')).toThrow('backends[0]: colour: there is no green left');
    expect(() => load('--backends=[{type: crayon, colour: blue}]')).toThrow('backends[0].colour: must be red or green');
    const help = helpText(known);
    for (const words of [
      '--auth.word.word',
      '--storage.memory.label',
      '--store.shelf',
      'An entry of backends of type crayon',
      '  colour  What it draws with',
    ])
      expect(help).toContain(words);
    expect(JSON.stringify(settingsJsonSchema(known))).toContain('"colour":{"description":"What it draws with","enum":["red","green"]}');
  });

  it('serve: the task of somebody who knows the word runs there, with its files from there', async () => {
    storage.objects.set('mem://in', 'bytes');
    const log = createLog({ level: 'fatal', format: 'json' });
    const settings = load();
    makeDirectories(settings);
    const gateway = await Gateway.create({ settings, version: '0', log, environment: {}, adapters: known });
    try {
      const port = await gateway.start();
      const client = new Client(() => port);
      const task = { executors: [{ image: 'x', command: ['true'] }], inputs: [{ url: 'mem://in', path: '/in' }] };
      const refused = await client.post(task);
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Word realm="made-up"']);
      expect((await client.post(task, { 'x-word': 'abracadabra' })).status).toBe(401);

      const id = ((await client.post(task, { 'x-word': 'sesame' })).json as { id: string }).id;
      let state: unknown;
      while (state !== 'COMPLETE') {
        const { json } = await client.send('GET', `/v1/tasks/${id}?view=FULL`, { headers: { 'x-word': 'sesame' } });
        state = (json as { state: string }).state;
        expect(['QUEUED', 'INITIALIZING', 'RUNNING', 'COMPLETE']).toContain(state);
      }
      expect(entries).toMatchObject([{ name: 'far', colour: 'red' }]);
    } finally {
      await gateway.stop();
    }
  });
});
