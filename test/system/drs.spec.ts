import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { TesTask } from '../../src/task/tes';
import { type FileServer, startFileServer } from '../contract/storage/http-file-server';
import { type DrsServerOfTests, startDrsServer } from '../support/drs-server';
import { describeEngine } from './engines';
import { type RunningServer, startServer } from './server';

const GUIDE = readFileSync(join(__dirname, '..', '..', 'docs', 'storage-drs.md'), 'utf8');
const block = (language: string): string => new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(GUIDE)?.[1] ?? '';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const reasons = (task: TesTask): string => (task.logs?.at(-1)?.system_logs ?? []).join('\n');

describeEngine('bubblewrap', 'whose inputs are objects of DRS', (engine) => {
  let drs: DrsServerOfTests;
  let web: FileServer;
  let server: RunningServer;
  let directory: string;
  beforeAll(async () => {
    drs = await startDrsServer();
    const settings = parse(block('yaml').replaceAll('https://drs.lab.example/ga4gh/drs/v1', drs.url)) as object;
    server = await startServer({ engine: engine(), settings: { ...settings, retry: { first_delay_seconds: 0.1, attempts: 2 } } });
    directory = join(server.files, 'web');
    mkdirSync(directory, { recursive: true });
    web = await startFileServer(directory);
  }, 300_000);
  afterAll(async () => {
    await drs.close();
    await web.close();
    await server.remove();
  });

  const offer = (id: string, bytes: Uint8Array, sum = sha256(bytes)): void => {
    writeFileSync(join(directory, id), bytes);
    const access = { type: 'https', access_url: { url: `${web.url}/${id}` } };
    drs.objects.set(id, { id, size: bytes.length, checksums: [{ type: 'sha-256', checksum: sum }], access_methods: [access] });
  };

  it('are as the guide says', async () => {
    offer('reads', Buffer.from('a\n'));
    offer('one', Buffer.from('b\n'));
    offer('two', Buffer.from('c\n'));
    drs.objects.set('panels', {
      id: 'panels',
      contents: [
        { name: '1.txt', id: 'one' },
        { name: '2.txt', drs_uri: ['drs://drs.lab.example/two'] },
      ],
    });
    const out = join(server.files, 'all');
    const id = await server.client.create(JSON.parse(block('json').replace('/data/all', out)));
    const task = await server.client.until(id, ['COMPLETE']);
    expect(readFileSync(out, 'utf8')).toBe('a\nb\nc\n');
    expect(new Set(drs.seen.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer change-me']));
    for (const seen of [JSON.stringify(task), server.log(), await server.shownSettings()]) expect(seen).not.toContain('change-me');
  });

  it('are held against their checksums', async () => {
    const large = randomBytes(8 * 1024 * 1024);
    offer('large', large);
    offer('damaged', Buffer.from('damaged'), sha256(large));
    const executors = [{ image: 'busybox', command: ['sha256sum', '/in'], stdout: '/out/sum' }];
    const out = join(server.files, 'sum');
    const good = await server.client.create({
      inputs: [{ url: 'drs://drs.lab.example/large', path: '/in' }],
      outputs: [{ url: out, path: '/out/sum' }],
      executors,
    });
    await server.client.until(good, ['COMPLETE']);
    expect(readFileSync(out, 'utf8')).toBe(`${sha256(large)}  /in\n`);
    const bad = await server.client.create({ inputs: [{ url: 'drs://drs.lab.example/damaged', path: '/in' }], executors });
    expect(reasons(await server.client.until(bad, ['SYSTEM_ERROR']))).toContain(
      'drs://drs.lab.example/damaged came with another sha256 checksum than its storage gives',
    );
  });

  it('fail by name where they are not there', async () => {
    const executors = [{ image: 'busybox', command: ['true'] }];
    const id = await server.client.create({ inputs: [{ url: 'drs://drs.lab.example/absent', path: '/in' }], executors });
    expect(reasons(await server.client.until(id, ['SYSTEM_ERROR']))).toContain('drs://drs.lab.example/absent cannot be read');
  });
});
