import { S3 } from '@aws-sdk/client-s3';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { TesTask } from '../../src/task/tes';
import { describeEngine } from './engines';
import { type RunningServer, startServer } from './server';
import { describeS3, S3_KEYS } from './versitygw/versitygw';

const GUIDE = readFileSync(join(__dirname, '..', '..', 'docs', 'storage-s3.md'), 'utf8');
const block = (language: string): string => new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(GUIDE)?.[1] ?? '';
const LARGE = randomBytes(20 * 1024 * 1024);
const sum = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const reasons = (task: TesTask): string => (task.logs?.at(-1)?.system_logs ?? []).join('\n');

describeS3('tasks', (s3) => {
  describeEngine('bubblewrap', 'whose files are in S3', (engine) => {
    let server: RunningServer;
    let bucket: S3;
    beforeAll(async () => {
      bucket = new S3({
        endpoint: s3().url,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId: S3_KEYS.access_key_id, secretAccessKey: S3_KEYS.secret_access_key },
      });
      await bucket.createBucket({ Bucket: 'lab' });
      const written = block('yaml').replace('https://s3.lab.example', s3().url).replace('change-me', S3_KEYS.secret_access_key);
      const settings = parse(written) as Record<string, unknown>;
      server = await startServer({ engine: engine(), settings: { ...settings, retry: { first_delay_seconds: 0.1, attempts: 2 } } });
    }, 300_000);
    afterAll(async () => {
      bucket.destroy();
      await server.remove();
    });

    const put = (Key: string, Body: string | Buffer): Promise<unknown> => bucket.putObject({ Bucket: 'lab', Key, Body });
    const get = async (Key: string): Promise<Uint8Array> =>
      (await bucket.getObject({ Bucket: 'lab', Key })).Body?.transformToByteArray() ?? new Uint8Array();
    const text = async (key: string): Promise<string> => Buffer.from(await get(key)).toString();
    const keys = async (Prefix: string): Promise<(string | undefined)[]> =>
      ((await bucket.listObjectsV2({ Bucket: 'lab', Prefix })).Contents ?? []).map(({ Key }) => Key);

    it('are as the guide says', async () => {
      await put('reads/one.fq', 'a\nb\n');
      await put('reads/two.fq', 'a\n');
      await put('panel v2.txt', 'the panel');
      const id = await server.client.create(JSON.parse(block('json')));
      const task = await server.client.until(id, ['COMPLETE']);
      expect(await keys('results/')).toEqual(
        expect.arrayContaining(['results/one.fq.count', 'results/two.fq.count', 'results/tree/empty/', 'results/tree/panel']),
      );
      expect(await text('results/one.fq.count')).toBe('2\n');
      expect(await text('results/tree/panel')).toBe('the panel');
      expect(task.logs?.at(-1)?.outputs?.map(({ url }) => url)).toContain('s3://lab/results/two.fq.count');
      for (const seen of [JSON.stringify(task), server.log(), await server.shownSettings()])
        expect(seen).not.toContain(S3_KEYS.secret_access_key);
    });

    it('are the same bytes behind a task, in many parts and in none', async () => {
      await put('large', LARGE);
      await put('empty', '');
      const id = await server.client.create({
        inputs: ['large', 'empty'].map((name) => ({ url: `s3://lab/${name}`, path: `/in/${name}` })),
        outputs: ['large', 'empty'].map((name) => ({ url: `s3://lab/back/${name}`, path: `/out/${name}` })),
        executors: [{ image: 'busybox', command: ['sh', '-c', 'cp /in/* /out/'] }],
        volumes: ['/out'],
      });
      await server.client.until(id, ['COMPLETE']);
      expect(sum(await get('back/large'))).toBe(sum(LARGE));
      expect(await text('back/empty')).toBe('');
    });

    it('fail by name where they are not there', async () => {
      const executors = [{ image: 'busybox', command: ['sh', '-c', 'echo x >/out'] }];
      const absent = await server.client.create({ inputs: [{ url: 's3://lab/absent', path: '/in' }], executors });
      expect(reasons(await server.client.until(absent, ['SYSTEM_ERROR']))).toContain('s3://lab/absent');
      const nowhere = await server.client.create({ outputs: [{ url: 's3://no-such-bucket/x', path: '/out' }], executors });
      expect(reasons(await server.client.until(nowhere, ['SYSTEM_ERROR']))).toContain('NoSuchBucket');
    });

    it('are refused where a URL holds credentials', async () => {
      const task = { inputs: [{ url: 's3://key:hunter2@lab/x', path: '/in' }], executors: [{ image: 'busybox', command: ['true'] }] };
      await expect(server.client.create(task)).rejects.toMatchObject({
        status: 400,
        body: expect.stringContaining('storage.s3.endpoints') as string,
      });
      await expect(server.client.create(task)).rejects.toMatchObject({ body: expect.not.stringContaining('hunter2') as string });
    });
  });
});
