import { mkdtemp, rm } from 'node:fs/promises';
import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyFile } from '../../../src/credentials/key-file';
import { sealAnew } from '../../../src/credentials/rotation';
import { UserCredentials } from '../../../src/credentials/user-credentials';
import type { Secret } from '../../../src/ports/credentials';
import { CredentialError, InvalidRequest } from '../../../src/ports/errors';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';

const ANN = 'basic|ann';
const BOB = 'basic|bob';
const PASSWORD: Secret = { type: 'basic', username: 'ann', password: 'sesame: ü 🌙' };
const TOKEN: Secret = { type: 'bearer', token: 'tok.en' };

let directory: string;
let path: string;
let keys: KeyFile;
const SCHEMES = new Map<string, readonly Secret['type'][]>([
  ['http', ['basic', 'bearer']],
  ['https', ['basic', 'bearer']],
  ['s3', ['basic']],
]);
let store: SqliteTaskStore;
let credentials: UserCredentials;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'credentials-'));
  path = join(directory, 'keys');
  keys = new KeyFile(path);
  await keys.add();
  store = await SqliteTaskStore.open({ path: join(directory, 'tasks.sqlite'), maxDueMs: 1000 });
  credentials = new UserCredentials(store, keys, { most: 3, schemes: SCHEMES });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

const secretFor = (owner: string, url: string): Promise<Secret | undefined> => credentials.storage({ key: owner }).forUrl(url);
const failureOf = (work: Promise<unknown>): Promise<CredentialError> =>
  work.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as CredentialError,
  );

describe('credentials of users', () => {
  it('are given for their owner and its URLs alone', async () => {
    await credentials.save(ANN, 'storage', 'https://h/lab/', PASSWORD);
    expect(await secretFor(ANN, 'https://h/lab/x?y=1#z')).toEqual(PASSWORD);
    expect(await secretFor(BOB, 'https://h/lab/x')).toBeUndefined();
    expect(await credentials.of(BOB, 'storage')).toEqual([]);
  });

  it.each([
    ['https://h/lab', true],
    ['https://h/lab/', true],
    ['HTTPS://H:443/lab/x', true],
    ['https://u:p@h/lab/x', true],
    ['https://h/a/../lab/x', true],
    ['https://h/laboratory', false],
    ['https://h/lab/../x', false],
    ['https://h/lab/%2e%2e/x', false],
    ['https://h/LAB/x', false],
    ['http://h/lab/x', false],
    ['https://h:444/lab/x', false],
    ['https://h.evil/lab/x', false],
    ['https://evil/https://h/lab/x', false],
    ['https://h@evil/lab/x', false],
    ['https://evil/?https://h/lab/', false],
    ['not a URL', false],
  ])('for a prefix count for %s: %s', async (url, isBelow) => {
    await credentials.save(ANN, 'storage', 'https://h/lab', TOKEN);
    expect(await secretFor(ANN, url)).toEqual(isBelow ? TOKEN : undefined);
  });

  it('are saved for a storage that takes their kind', async () => {
    await credentials.save(ANN, 'storage', 's3://lab/My_reads', PASSWORD);
    expect(await secretFor(ANN, 's3://lab/My_reads/a b%20+é')).toEqual(PASSWORD);
    expect(await secretFor(ANN, 's3://Lab/My_reads/x')).toBeUndefined();
    const error = await failureOf(credentials.save(ANN, 'storage', 's3://lab', TOKEN));
    expect(error.publicMessage).toBe('$.token is not for s3 URLs, which take username and password');
  });

  it('of the longest prefix count', async () => {
    await credentials.save(ANN, 'storage', 'https://h', PASSWORD);
    await credentials.save(ANN, 'storage', 'https://h/a/b', TOKEN);
    expect(await secretFor(ANN, 'https://h/a/b/c')).toEqual(TOKEN);
    expect(await secretFor(ANN, 'https://h/a')).toEqual(PASSWORD);
  });

  it('of registries are given by host, Docker Hub under one name', async () => {
    await credentials.save(ANN, 'registry', 'Registry.Example.ORG:5000', PASSWORD);
    await credentials.save(ANN, 'registry', 'index.docker.io', PASSWORD);
    expect(await credentials.logins({ key: ANN }, ['docker.io', 'other.example'])).toEqual(new Map([['docker.io', PASSWORD]]));
    expect([...(await credentials.logins({ key: ANN }, ['registry.example.org:5000'])).keys()]).toEqual(['registry.example.org:5000']);
    expect((await credentials.logins({ key: BOB }, ['docker.io'])).size).toBe(0);
  });

  it.each([
    ['storage', 'ftp://h/x'],
    ['storage', 's3cret'],
    ['storage', 'https://u:s3cret@h/'],
    ['storage', 'https://h/?s3cret'],
    ['storage', 'https://h/#s3cret'],
    ['storage', `https://h/${'s3cret'.repeat(200)}`],
    ['registry', 'https://s3cret'],
    ['registry', 's3cret@h'],
    ['registry', 'h/s3cret'],
    ['registry', 's3cret '],
    ['registry', ''],
  ] as const)('for %s are not saved for %s, and what was sent is not repeated', async (kind, text) => {
    const error = (await failureOf(credentials.save(ANN, kind, text, TOKEN))) as unknown as InvalidRequest;
    expect(error).toBeInstanceOf(InvalidRequest);
    expect(JSON.stringify([error.publicMessage, error.message, error.details])).not.toContain('s3cret');
  });

  it('are at most so many', async () => {
    for (const n of [1, 2]) await credentials.save(ANN, 'storage', `https://h/${n}`, TOKEN);
    await credentials.save(ANN, 'registry', 'h', PASSWORD);
    await expect(credentials.save(ANN, 'storage', 'https://h/3', TOKEN)).rejects.toMatchObject({ code: 'CONFLICT' });
    await credentials.save(ANN, 'storage', 'https://h/2', PASSWORD);
    expect(await credentials.remove(ANN, 'registry', 'H')).toBe('h');
    expect(await credentials.remove(ANN, 'registry', 'h')).toBeUndefined();
    await credentials.save(ANN, 'storage', 'https://h/3', TOKEN);
  });

  it('are in no file of the store as they are', async () => {
    await credentials.save(ANN, 'storage', 'https://h/lab', { type: 'basic', username: 'ann-the-user', password: 'open-sesame' });
    const files = await fs.readdir(directory);
    for (const file of files) {
      const bytes = await fs.readFile(join(directory, file));
      for (const secret of ['ann-the-user', 'open-sesame']) {
        expect(bytes.includes(secret)).toBe(false);
        expect(bytes.includes(Buffer.from(secret).toString('base64').slice(0, -2))).toBe(false);
      }
    }
  });

  it('do not open for another owner or prefix whose row they are copied to, nor changed', async () => {
    await credentials.save(ANN, 'storage', 'https://h/lab', TOKEN);
    const [sealed] = await store.credentials.of(ANN, 'storage');
    if (!sealed) throw new Error('nothing saved');
    await store.credentials.put({ ...sealed, owner: BOB }, 9);
    await store.credentials.put({ ...sealed, target: 'https://evil' }, 9);
    const changed = Buffer.from(sealed.sealed, 'base64');
    changed[20] = (changed[20] ?? 0) ^ 1;
    await store.credentials.put({ ...sealed, target: 'https://h/changed', sealed: changed.toString('base64') }, 9);
    await store.credentials.put({ ...sealed, target: 'https://h/short', sealed: 'AAAA' }, 9);
    for (const asked of [
      secretFor(BOB, 'https://h/lab'),
      secretFor(ANN, 'https://evil'),
      secretFor(ANN, 'https://h/changed'),
      secretFor(ANN, 'https://h/short'),
    ])
      expect(await failureOf(asked)).toMatchObject({ code: 'CREDENTIAL_ERROR', retryable: false, unavailable: false });
    expect(await secretFor(ANN, 'https://h/lab')).toEqual(TOKEN);
  });
});

describe('the key file', () => {
  beforeEach(() => credentials.save(ANN, 'storage', 'https://h/lab', TOKEN));
  const AWAY = { code: 'CREDENTIAL_ERROR', retryable: true, unavailable: true };

  it.each([
    ['gone', () => fs.rm(path), 'it cannot be read (ENOENT)'],
    ['a directory', () => fs.rm(path).then(() => fs.mkdir(path)), 'it cannot be read (EISDIR)'],
    ['empty', () => fs.writeFile(path, ''), 'it is empty'],
    ['something else', () => fs.writeFile(path, 's3cret'), 'its line 1 is not a key'],
    ['too long', () => fs.writeFile(path, 's3cret'.repeat(20_000)), 'it is too long'],
    ['of others', () => fs.rm(path).then(() => keys.add()), 'it does not hold the key'],
  ] as const)('that is %s: what needs it says so and waits, nothing else does', async (_what, harm, words) => {
    const former = await fs.readFile(path);
    await harm();
    const failure = await failureOf(secretFor(ANN, 'https://h/lab/x'));
    expect(failure).toMatchObject(AWAY);
    expect(failure.publicMessage).toBe('the key for credentials of users is not to be had (setting credentials.key_file)');
    expect(failure.message).toContain(words);
    expect(failure.message).not.toContain('s3cret');
    expect(await secretFor(ANN, 'https://other/x')).toBeUndefined();
    expect(await secretFor(BOB, 'https://h/lab/x')).toBeUndefined();
    expect(await credentials.of(ANN, 'storage')).toHaveLength(1);
    await fs.rm(path, { recursive: true, force: true });
    await fs.writeFile(path, former);
    expect(await secretFor(ANN, 'https://h/lab/x')).toEqual(TOKEN);
  });

  it('is for its owner alone, and is made whole', async () => {
    expect((await fs.stat(path)).mode & 0o777).toBe(0o600);
    expect(await fs.readdir(directory)).not.toContain('keys.new');
  });

  it('is not made anew where it is there and cannot be read', async () => {
    await fs.writeFile(path, 'something else');
    await expect(keys.add()).rejects.toBeInstanceOf(CredentialError);
    expect(await fs.readFile(path, 'utf8')).toBe('something else');
  });

  it('gets a new key, with which all is encrypted anew, and lets the old one go', async () => {
    await credentials.save(BOB, 'registry', 'h', PASSWORD);
    const [former] = await keys.read();
    const next = await keys.add();
    await credentials.save(BOB, 'storage', 'https://new', PASSWORD);
    expect(await secretFor(ANN, 'https://h/lab')).toEqual(TOKEN);
    expect((await store.credentials.keyIds()).toSorted()).toEqual([former.id, next.id].toSorted());
    expect(await sealAnew(store.credentials, keys)).toBe(2);
    expect(await store.credentials.keyIds()).toEqual([next.id]);
    expect(await keys.drop(() => false)).toBe(1);
    expect(await keys.read()).toEqual([next]);
    expect([await secretFor(ANN, 'https://h/lab'), await secretFor(BOB, 'https://new/x')]).toEqual([TOKEN, PASSWORD]);
    expect((await credentials.logins({ key: BOB }, ['h'])).get('h')).toEqual(PASSWORD);
    expect(await sealAnew(store.credentials, keys)).toBe(0);
  });

  it('that lost a key: nothing is taken out or encrypted under a wrong one', async () => {
    const former = await fs.readFile(path, 'utf8');
    await fs.rm(path);
    await keys.add();
    await expect(sealAnew(store.credentials, keys)).rejects.toThrow('does not hold the key');
    await fs.appendFile(path, former);
    expect(await sealAnew(store.credentials, keys)).toBe(1);
    expect(await secretFor(ANN, 'https://h/lab')).toEqual(TOKEN);
  });
});
