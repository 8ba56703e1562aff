import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeEngine, type Engine, loadSnakemakeImage } from '../engines';
import { type RunningServer, startServer } from '../server';
import { eventually } from '../tes-client';
import * as bodies from './bodies';

for (const name of ['podman', 'bubblewrap'] as const) {
  describeEngine(name, 'the bodies of workflow engines', (engine) => {
    let server: RunningServer;
    /** An image with bash; bubblewrap takes the host's. */
    let image: string;
    const bashImage = async (found: Engine): Promise<string> =>
      found.name === 'podman' ? (await loadSnakemakeImage(found)).image : found.images.busybox;

    beforeAll(async () => {
      image = await bashImage(engine());
      server = await startServer({ engine: engine() });
    }, 900_000);
    afterAll(() => server.remove());

    const directory = (label: string, files: Readonly<Record<string, string>>): string => {
      const dir = join(server.files, label);
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, path)), { recursive: true });
        writeFileSync(join(dir, path), content);
      }
      return dir;
    };
    const text = (dir: string, path: string): string => readFileSync(join(dir, path), 'utf8');

    it('brings Nextflow its outputs: hidden files, wildcards with braces and **, a directory declared as FILE, nothing for an optional one', async () => {
      const dir = directory('nextflow', bodies.nextflowScripts(join(server.files, 'nextflow')));
      const task = await server.client.until(await server.client.create(bodies.nextflow(image, dir)), ['COMPLETE']);
      expect(task.logs?.[0]?.logs?.[0]?.exit_code).toBe(0);
      expect(text(dir, '.exitcode')).toBe('0');
      expect(text(dir, '.command.out')).toBe('tool\n');
      expect(text(dir, '.command.err')).toBe('to-err\n');
      expect(text(dir, 'result.txt')).toBe('ACGT\n');
      expect(text(dir, 'outdir/inner.txt')).toBe('in\n');
      expect(text(dir, 'deep/er/d.txt')).toBe('d\n');
      expect(readdirSync(dir)).toEqual(expect.arrayContaining(['x.bam', 'x.bai']));
      expect(existsSync(join(dir, '.hidden.bam'))).toBe(false);
      expect(existsSync(join(dir, 'optional.txt'))).toBe(false);
    }, 120_000);

    it('brings Nextflow .exitcode and .command.err after its command failed', async () => {
      const dir = join(server.files, 'nextflow-fails');
      directory('nextflow-fails', { ...bodies.nextflowScripts(dir), '.command.sh': 'echo wrong >&2; exit 9' });
      const task = await server.client.until(await server.client.create(bodies.nextflow(image, dir)), ['EXECUTOR_ERROR']);
      expect(task.logs?.[0]?.logs?.[0]?.exit_code).toBe(9);
      expect(text(dir, '.exitcode')).toBe('9');
      expect(text(dir, '.command.err')).toBe('wrong\n');
    }, 120_000);

    it('brings Cromwell rc, streams, script and glob directory, and no null tag', async () => {
      const dir = directory('cromwell', { script: bodies.cromwellScript, 'in.txt': 'given\n' });
      const task = await server.client.until(await server.client.create(bodies.cromwell(image, dir)), ['COMPLETE']);
      expect(task.tags).toEqual({ workflow_id: '7f2b', root_workflow_id: '7f2b' });
      expect(text(dir, 'out/rc')).toBe('0\n');
      expect(text(dir, 'out/stdout')).toBe('given\n');
      expect(text(dir, 'out/stderr')).toContain('problem\n');
      expect(text(dir, 'out/script')).toBe(bodies.cromwellScript);
      expect(text(dir, 'out/glob-0123.list')).toBe('one\n');
      expect(text(dir, 'out/glob-0123/one')).toBe('1\n');
    }, 120_000);

    it("shares Pulsar's volume between its three executors", async () => {
      const task = await server.client.until(await server.client.create(bodies.pulsar(image)), ['COMPLETE']);
      expect(task.logs?.[0]?.logs?.map((log) => [log.exit_code, log.stdout ?? ''])).toEqual([
        [0, ''],
        [0, 'made\n'],
        [0, 'done\n'],
      ]);
    }, 120_000);

    it("passes Toil's large argument and its environment", async () => {
      const task = await server.client.ended(await server.client.create(bodies.toil(image)));
      expect([task.state, task.name]).toEqual(['COMPLETE', "'hello' kind-hello/instance-p4v8 v1"]);
    }, 120_000);

    it('gives cwl-tes its whole working directory with the streams in it', async () => {
      const dir = directory('cwl', { 'in.txt': 'standard input\n' });
      await server.client.until(await server.client.create(bodies.cwlTes(image, dir)), ['COMPLETE']);
      expect(text(dir, 'out/stdout.txt')).toBe('standard input\n');
      expect(text(dir, 'out/stderr.txt')).toBe('');
      expect(text(dir, 'out/made.txt')).toBe('literal');
    }, 120_000);

    it('takes the empty strings of a web form as absent', async () => {
      const task = await server.client.ended(await server.client.create(bodies.webForm(image)));
      expect([task.state, task.logs?.[0]?.logs?.[0]?.stdout]).toEqual(['COMPLETE', 'x']);
    }, 120_000);

    it('lets the web component cancel by DELETE', async () => {
      const id = await server.client.create({ executors: [{ image, command: ['sleep', '600'] }] });
      await server.client.json('DELETE', `/tasks/${id}:cancel`);
      await server.client.until(id, ['CANCELED']);
    }, 120_000);

    it("finds crankshaft's tasks by their tag in pages of 2047", async () => {
      const tags = { 'crankshaft-task-group': `group-${name}` };
      const ids = await Promise.all(
        [1, 2, 3].map((index) => server.client.create({ name: `t${index}`, tags, executors: [{ image, command: ['true'] }] })),
      );
      const query = `tag_key=crankshaft-task-group&tag_value=group-${name}&page_size=2047&view=MINIMAL`;
      await eventually('all of the group to be complete', async () => {
        const { tasks } = await server.client.list(query);
        expect(tasks.map((task) => task.id).sort()).toEqual([...ids].sort());
        return tasks.every((task) => task.state === 'COMPLETE') ? true : undefined;
      });
    }, 120_000);
  });
}
