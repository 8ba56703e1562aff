import { createHash, randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { TesTask } from '../../src/task/tes';
import { describeEngine } from './engines';
import { describeFtp, passwordOf } from './pureftpd/pureftpd';
import { type RunningServer, startServer } from './server';

const GUIDE = readFileSync(join(__dirname, '..', '..', 'docs', 'storage-ftp.md'), 'utf8');
const block = (language: string): string => new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(GUIDE)?.[1] ?? '';
const LARGE = randomBytes(20 * 1024 * 1024);
const sum = (bytes: Uint8Array, of = 'sha256'): string => createHash(of).update(bytes).digest('hex');
const reasons = (task: TesTask): string => (task.logs?.at(-1)?.system_logs ?? []).join('\n');

describeFtp('tasks', (ftp) => {
  describeEngine('bubblewrap', 'whose files are on an FTP server', (engine) => {
    let server: RunningServer;
    beforeAll(async () => {
      const settings = parse(block('yaml').replace('ftp.lab.example', '127.0.0.1').replace('change-me', passwordOf('tes'))) as object;
      server = await startServer({ engine: engine(), settings: { ...settings, retry: { first_delay_seconds: 0.1, attempts: 2 } } });
      chownSync(ftp().filesOf(), 20_000, 20_000);
    }, 300_000);
    afterAll(() => server.remove());

    const at = (name: string): string => join(ftp().filesOf(), name);
    const url = (name: string): string => `ftp://127.0.0.1:${ftp().port}/${name}`;

    it('are as the guide says', async () => {
      mkdirSync(at('panels/empty'), { recursive: true });
      writeFileSync(at('reads.fq'), 'a\nb\n');
      writeFileSync(at('panels/one panel'), 'the panel');
      const id = await server.client.create(JSON.parse(block('json').replaceAll('ftp.lab.example', `127.0.0.1:${ftp().port}`)));
      const task = await server.client.until(id, ['COMPLETE']);
      expect(readFileSync(at('results/sum'), 'utf8')).toBe(`${sum(Buffer.from('a\nb\n'), 'md5')}  -\n`);
      expect(readFileSync(at('results/panels/one panel'), 'utf8')).toBe('the panel');
      expect(existsSync(at('results/panels/empty'))).toBe(true);
      expect(task.logs?.at(-1)?.outputs?.map((output) => output.url)).toContain(url('results/sum'));
      for (const seen of [JSON.stringify(task), server.log(), await server.shownSettings()]) expect(seen).not.toContain(passwordOf('tes'));
    });

    it('are the same bytes behind a task, large and empty, by a login in the URL', async () => {
      writeFileSync(at('large'), LARGE);
      writeFileSync(at('empty'), '');
      const own = (name: string): string => url(name).replace('//', `//tes:${encodeURIComponent(passwordOf('tes'))}@`);
      const id = await server.client.create({
        inputs: ['large', 'empty'].map((name) => ({ url: own(name), path: `/in/${name}` })),
        outputs: ['large', 'empty'].map((name) => ({ url: own(`back/${name}`), path: `/out/${name}` })),
        executors: [{ image: 'busybox', command: ['sh', '-c', 'cp /in/* /out/'] }],
        volumes: ['/out'],
      });
      const task = await server.client.until(id, ['COMPLETE']);
      expect(sum(readFileSync(at('back/large')))).toBe(sum(LARGE));
      expect(readFileSync(at('back/empty'))).toHaveLength(0);
      for (const seen of [JSON.stringify(task), server.log()]) expect(seen).not.toContain('secret');
    });

    it('fail by name where they are not there', async () => {
      const executors = [{ image: 'busybox', command: ['true'] }];
      const id = await server.client.create({ inputs: [{ url: url('absent'), path: '/in' }], executors });
      expect(reasons(await server.client.until(id, ['SYSTEM_ERROR']))).toContain(`${url('absent')} cannot be read`);
    });
  });
});
