import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { TesExecutor, TesTask, TesTaskRequest } from '../../src/task/tes';
import { describeEngine, ENGINE_NAMES } from './engines';
import { nothingIsLeft } from './leftovers';
import { processesNaming, type RunningServer, startServer } from './server';
import { Refused } from './tes-client';
import { Witness } from './witness';

/** Strings that break out of careless programs; `%` stands for the canary directory. */
const TEXTS = [
  "'; touch %/a; '",
  '"; touch %/b; "',
  '$(touch %/c)',
  '`touch %/d`',
  '\n touch %/e\n',
  '&& touch %/f #| tee %/g',
  '--privileged',
  '-v%:/host',
  '${IFS}%s%n * ~root {a,b}',
  'back\\slash,b"c:d=e ',
  '\r\n\t\u0001\u007f\u00fc\u2028\ufffd\u{1f600}',
] as const;

for (const name of ENGINE_NAMES) {
  describeEngine(name, 'hostile strings from a client', (engine) => {
    let server: RunningServer;
    let witness: Witness;
    let canary: string;
    beforeAll(async () => {
      witness = await new Witness().start();
      server = await startServer({ engine: engine(), backend: { network: 'host', cpus: 4, ram_gb: 16 } });
      canary = join(server.directory, 'canary');
      mkdirSync(canary);
    }, 240_000);
    afterEach(() => {
      expect(readdirSync(canary)).toEqual([]);
    });
    afterAll(async () => {
      await witness.stop();
      await server.remove();
    }, 60_000);

    const image = (): string => engine().images.busybox;
    /** Of a document, as much as the fields below say. Lists of several fields are put together, an executor's members too. */
    interface Part extends Pick<Partial<TesTaskRequest>, 'name' | 'description' | 'tags' | 'resources' | 'volumes'> {
      readonly inputs?: readonly object[];
      readonly outputs?: readonly object[];
      readonly executor?: Partial<TesExecutor>;
    }
    /** Every field that takes a text. */
    const FIELDS: Readonly<Record<string, (text: string) => Part>> = {
      name: (text) => ({ name: text }),
      description: (text) => ({ description: text }),
      tags: (text) => ({ tags: { [text]: text } }),
      zones: (text) => ({ resources: { zones: [text] } }),
      parameters: (text) => ({ resources: { backend_parameters: { [text]: text } } }),
      argument: (text) => ({ executor: { command: ['sh', '-c', 'cat; echo said >&2; echo made >/out/x', text] } }),
      environmentName: (text) => ({ executor: { env: { [text]: 'x' } } }),
      environmentValue: (text) => ({ executor: { env: { X: text } } }),
      workdir: (text) => ({ executor: { workdir: `/workdir/${text}` } }),
      stdin: (text) => ({ executor: { stdin: `/stdin/${text}` }, inputs: [{ content: 'of stdin', path: `/stdin/${text}` }] }),
      stdout: (text) => ({ executor: { stdout: `/stdout/${text}` } }),
      stderr: (text) => ({ executor: { stderr: `/stderr/${text}` } }),
      volume: (text) => ({ volumes: [`/volume/${text}`] }),
      inputTexts: (text) => ({ inputs: [{ name: text, description: text, content: text, path: '/in/texts' }] }),
      inputPath: (text) => ({ inputs: [{ content: 'x', path: `/in/path/${text}` }] }),
      inputUrl: (text) => ({ inputs: [{ url: join(server.files, 'in', text), path: '/in/url' }] }),
      outputTexts: (text) => ({ outputs: [{ name: text, description: text, url: join(server.files, 'x'), path: '/out/x' }] }),
      outputPath: (text) => ({ outputs: [{ url: join(server.files, 'y'), path: `/out/path/${text}` }] }),
      outputPrefix: (text) => ({ outputs: [{ url: join(server.files, 'z'), path: '/out/*.none', path_prefix: `/out/${text}` }] }),
      outputUrl: (text) => ({ outputs: [{ url: join(server.files, 'out', text), path: '/out/x' }] }),
    };
    const document = (parts: readonly Part[]): Record<string, unknown> => {
      const base = { command: ['sh', '-c', 'cat; echo said >&2; echo made >/out/x'], image: image() };
      const executor: Partial<TesExecutor> = Object.assign({}, base, ...parts.map((part) => part.executor ?? {}));
      executor.env = Object.assign({}, ...parts.map((part) => part.executor?.env ?? {})) as Record<string, string>;
      return {
        ...(Object.assign({}, ...parts) as object),
        executor: undefined,
        executors: [executor],
        resources: Object.assign({}, ...parts.map((part) => part.resources ?? {})) as object,
        volumes: ['/out', ...parts.flatMap((part) => part.volumes ?? [])],
        inputs: parts.flatMap((part) => part.inputs ?? []),
        outputs: parts.flatMap((part) => part.outputs ?? []),
      };
    };
    /** Asked together with what is refused at the very end, so that nothing is carried out. */
    const isTaken = async (part: Part): Promise<boolean> => {
      const tooLong: Part = { executor: { env: { ...part.executor?.env, LONG: 'x'.repeat(200_000) } } };
      const refused = await server.client.create(document([part, tooLong])).catch((error: unknown) => error);
      if (!(refused instanceof Refused) || refused.status !== 400) throw new Error('not refused', { cause: refused });
      const { details } = JSON.parse(refused.body) as { details?: { message: string }[] };
      return (
        details?.length === 1 &&
        /^backend local: [^:]*: one argument .* longer than \d+ bytes, the most the kernel takes$/.test(details[0]?.message ?? '')
      );
    };
    const ALWAYS_TAKEN = ['name', 'description', 'tags', 'zones', 'argument', 'inputTexts', 'outputTexts'];

    it.each(TEXTS)(
      'in every field come back as they were and are carried out as data, or are refused with 400: %j',
      async (pattern) => {
        const text = pattern.replaceAll('%', canary);
        for (const folder of ['in', 'out']) mkdirSync(dirname(join(server.files, folder, text)), { recursive: true });
        writeFileSync(join(server.files, 'in', text), 'of this machine');
        const taken: string[] = [];
        for (const [field, make] of Object.entries(FIELDS)) if (await isTaken(make(text))) taken.push(field);
        expect(taken).toEqual(expect.arrayContaining([...ALWAYS_TAKEN, ...(text.includes('\r\n') ? [] : ['environmentValue'])]));
        expect(await isTaken({ executor: { image: text } })).toBe(false);

        const sent = document(taken.map((field) => FIELDS[field]?.(text) ?? {}));
        const id = await server.client.create(sent);
        const task = await server.client.ended(id, 120_000);
        expect([taken, task.state, task.logs]).toEqual([taken, 'COMPLETE', expect.anything()]);
        // Parameters that no backend knows are left out, with a line that says so.
        const { resources, executor: _none, ...kept } = sent;
        expect(task).toMatchObject(JSON.parse(JSON.stringify(kept)) as object);
        expect(task.resources?.zones).toEqual((resources as { zones: string[] }).zones);
        expect(readFileSync(join(server.files, 'x'), 'utf8')).toBe('made\n');
        if (taken.includes('outputUrl')) expect(readFileSync(join(server.files, 'out', text), 'utf8')).toBe('made\n');
        await nothingIsLeft(server, engine(), [id]);
      },
      180_000,
    );

    it('reach the program as they are, and no other process of this machine is made of them', async () => {
      const texts = TEXTS.map((text) => text.replaceAll('%', canary));
      const command = [
        'sh',
        '-c',
        `printf '%s\\0' "$@" >/out/argv; ${witness.visit('gate', 'argv')}`,
        'sh',
        ...texts,
        'y'.repeat(64 * 1024),
      ];
      // What some runtimes cannot hand over exactly is refused, as the test before shows.
      const env = Object.fromEntries(texts.flatMap((text, index) => (text.includes('\r\n') ? [] : [[`V${index}`, text]])));
      const id = await server.client.create({
        outputs: [{ url: join(server.files, 'argv'), path: '/out/argv' }],
        executors: [{ image: image(), command, env }],
      });
      await witness.seen('gate', 'argv');
      const named = processesNaming([canary]).filter(({ pid }) => pid !== server.pid);
      const argv = named.map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1));
      // Under apptainer the shell itself is not among those that show it; what it got is looked at below.
      if (name !== 'apptainer')
        expect(argv.some((words) => command.slice(1).every((word, index) => words.at(index + 1 - command.length) === word))).toBe(true);
      // Whoever shows the canary shows it as whole words of the client: the program, and the runtime's own command before it.
      const strange = argv.map((words) =>
        words.filter(
          (word) =>
            word.includes(canary) && ![...texts, ...Object.entries(env).map(([key, value]) => `--env=${key}=${value}`)].includes(word),
        ),
      );
      expect(strange.flat()).toEqual([]);
      witness.release('argv');
      await server.client.until(id, ['COMPLETE']);
      expect(readFileSync(join(server.files, 'argv'), 'utf8').split('\0').slice(0, -1)).toEqual(command.slice(4));
    }, 180_000);

    it('as links, hard links, devices and mounts in outputs bring nothing of this machine, and change nothing there', async () => {
      writeFileSync(join(server.directory, 'secret'), 'secret of the host');
      const secret = join(server.directory, 'secret');
      const script = [
        `cd /out; ln -s ${secret} direct; ln -s ${server.directory} directory; ln -s ../../../../../../../../../..${secret} up`,
        `ln ${secret} hard 2>/dev/null; mknod device b 254 0 2>/dev/null; mkfifo pipe; ln -s loop loop`,
        'mkdir mounted; mount --bind / mounted 2>/dev/null; mkdir real; echo fine >real/file; ln -s real/file good',
        `echo changed 2>/dev/null >${secret}; mkdir -p ${canary} 2>/dev/null && echo x 2>/dev/null >${canary}/x; true`,
      ].join('; ');
      const ended: TesTask[] = [];
      for (const path of ['/out', '/out/direct', '/out/up', '/out/directory', '/out/hard', '/out/device', '/out/pipe']) {
        const url = join(server.files, `links${path.replaceAll('/', '-')}`);
        const id = await server.client.create({
          outputs: [{ url, path, type: path === '/out' || path === '/out/directory' ? 'DIRECTORY' : 'FILE' }],
          volumes: ['/out'],
          executors: [{ image: image(), command: ['sh', '-c', script] }],
        });
        ended.push(await server.client.ended(id));
      }
      expect(readFileSync(join(server.files, 'links-out', 'real', 'file'), 'utf8')).toBe('fine\n');
      const brought = readdirSync(server.files, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      const contents = brought.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
      expect(contents.filter((content) => content.includes('secret of the host'))).toEqual([]);
      expect(brought.map((entry) => entry.name)).not.toContain('secret');
      expect(readFileSync(secret, 'utf8')).toBe('secret of the host');
      const noFiles = ['direct', 'directory', 'up', 'hard', 'device', 'pipe', 'loop'].flatMap((link) => [
        `links-out/${link}`,
        `links-out-${link}`,
      ]);
      const paths = brought.map((entry) => relative(server.files, join(entry.parentPath, entry.name)));
      expect(paths.filter((path) => noFiles.includes(path))).toEqual([]);
      expect(ended.map(({ state }) => state)).not.toContain('CANCELED');
    }, 240_000);
  });
}
