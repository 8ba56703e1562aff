import { promises as fs } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { type BackendUnderTest, type Ended, exitCodes, type JobDriver, stdoutOf, textOf, withDriver } from './execution-backend.fixture';
import type { InputAttributes, Job } from '../../../src/ports/execution-backend';
import { streamLengths } from '../../../src/task/stream-lengths';

const never = new AbortController().signal;

/** What every ExecutionBackend with `staging: gateway` promises about directories, modes and users of a job's files. */
export function describeFiles(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: directories, modes and users`, () => {
    let driver: JobDriver;
    let workDir: string;
    const errorsOf = (ended: Ended): unknown => [exitCodes(ended), ended.observation.executors.map(({ stderr }) => stderr?.text ?? '')];
    const sh = (script: string): string[] => ['/bin/sh', '-c', script];
    /** Runs as 1000 where images are used. */
    const asWorker = (): { image?: string } => (underTest().usesImages ? { image: underTest().images.filled } : {});

    withDriver(name, underTest, (made) => {
      ({ driver, workDir } = made);
    });

    async function carryOut(
      job: Job,
      files: Readonly<Record<string, { text: string } & InputAttributes>>,
      links: Readonly<Record<string, string>> = {},
    ): Promise<Ended> {
      const prepared = await driver.submit(job, undefined);
      const entry = { job, handle: prepared };
      driver.jobs.push(entry);
      const workspace = driver.backend.workspace(job, prepared);
      await workspace.beginInputs(never);
      await workspace.mkdir('/in/d', never);
      for (const [path, { text, ...attributes }] of Object.entries(files)) {
        await workspace.write(path, attributes, Readable.from([Buffer.from(text)]), never);
      }
      for (const [path, target] of Object.entries(links)) await workspace.symlink(path, target, never);
      await workspace.commitInputs(never);
      return driver.ended(job, await driver.submit(job, prepared));
    }

    it('leaves what lies below a shared directory to the program to make', async () => {
      const job = driver.job({
        outputs: [
          { path: '/work/s1/**', path_prefix: '/work', url: '/x', type: 'FILE' },
          { path: '/work/s2/report.html', type: 'FILE', url: '/x' },
          { path: '/work/s3', type: 'DIRECTORY', url: '/x' },
          { path: '/results/x.txt', type: 'FILE', url: '/x' },
        ],
        executors: [
          {
            workdir: '/work',
            stdout: '/work/s4/out',
            command: ['/bin/sh', '-ec', 'for d in s1 s2 s3 s4; do mkdir $d; echo $d >$d/f; done; echo done >/results/x.txt; echo said'],
          },
        ],
      });
      const ended = await driver.carryOut(job);
      expect(errorsOf(ended)).toEqual([[0], ['']]);
      const texts = ['/work/s1/f', '/work/s2/f', '/work/s3/f', '/work/s4/out', '/results/x.txt'].map((path) =>
        textOf(ended.workspace, path),
      );
      expect(await Promise.all(texts)).toEqual(['s1\n', 's2\n', 's3\n', 'said\n', 'done\n']);
    });

    it('says of the streams of the last executor how long they are where they lie, unless they could not be put there', async () => {
      const outputs = [{ path: '/work', type: 'DIRECTORY', url: '/x' } as const];
      const many = sh('head -c 300000 /dev/zero; printf four >&2');
      const chains = [
        [{ command: many, stdout: '/work/out', stderr: '/work/err' }],
        [{ command: many, stdout: '/work/out', stderr: '/work//out' }],
        [
          { command: many, stdout: '/work/out' },
          { command: sh('printf last; exit 3'), stdout: '/work/out' },
        ],
        [{ command: sh('mkdir /work/d; ln -s d /work/l; printf text; printf more >&2'), stdout: '/work/d', stderr: '/work/l/err' }],
      ];
      const said: unknown[] = [];
      for (const executors of chains) {
        const job = driver.job({ outputs, executors });
        const ended = await driver.carryOut(job);
        const told = [...streamLengths(job.request, ended.observation.executors)].sort();
        said.push(told);
        for (const [path, sizeBytes] of told) expect(await ended.workspace.stat(path, never)).toMatchObject({ kind: 'file', sizeBytes });
      }
      expect(said).toEqual([
        [
          ['/work/err', 4],
          ['/work/out', 300_000],
        ],
        [['/work/out', 300_004]],
        [['/work/out', 4]],
        [],
      ]);
    });

    it('says what a workspace takes on its disk, and that is nothing once it is removed', async () => {
      const job = driver.job({
        outputs: [{ path: '/work', type: 'DIRECTORY', url: '/x' }],
        executors: [{ command: sh('head -c 3000000 /dev/urandom >/work/f; truncate -s 100 /work/g') }],
      });
      const { workspace, handle } = await driver.carryOut(job);
      const bytes = (await workspace.sizeBytes?.(never)) ?? 0;
      // Beside what the job wrote there may be a copy of the machine's /etc, in blocks of the disk.
      expect(bytes).toBeGreaterThan(3_000_000);
      expect(bytes).toBeLessThan(5_000_000);
      await driver.backend.cleanup(job.name, handle, { failed: true }, never);
      expect(await driver.backend.workspace(job, handle).sizeBytes?.(never)).toBe(0);
    });

    it('lets whoever the image runs as read, change and execute inputs, and write into their directories', async () => {
      const script = 'cat /in/closed; echo more >>/in/closed; cat /in/closed; /in/tool; echo new >/in/d/new; mv /in/closed /in/d/moved';
      const job = driver.job({
        inputs: [
          { path: '/in', type: 'DIRECTORY' },
          { path: '/in/closed', type: 'FILE' },
        ],
        executors: [{ ...asWorker(), command: sh(script) }],
      });
      const files = { '/in/closed': { text: 'secret\n', mode: 0o600 }, '/in/tool': { text: '#!/bin/sh\necho ran\n', mode: 0o700 } };
      const ended = await carryOut(job, files);
      expect(errorsOf(ended)).toEqual([[0], ['']]);
      expect(stdoutOf(ended)).toBe('secret\nsecret\nmore\nran\n');
      expect(await textOf(ended.workspace, '/in/d/new')).toBe('new\n');
    });

    it.each([
      ['mounted', []],
      ['beside what lies directly in /', [{ path: '/own.txt', type: 'FILE', url: '/x' } as const]],
    ])('lets an executor read and change what another one wrote as another user: %s', async (_, outputs) => {
      const job = driver.job({
        volumes: ['/work'],
        outputs,
        executors: [
          { command: sh('umask 077; mkdir -p /work/d; echo one >/work/d/f; echo tool >/work/d/run; chmod 700 /work/d/run') },
          {
            ...asWorker(),
            command: sh('umask 077; cat /work/d/f; echo two >>/work/d/f; mkdir /work/d/e; echo x >/work/d/e/x; test -x /work/d/run'),
          },
          { command: sh('cat /work/d/f /work/d/e/x; echo three >>/work/d/e/x') },
        ],
      });
      const ended = await driver.carryOut(job);
      expect(errorsOf(ended)).toEqual([
        [0, 0, 0],
        ['', '', ''],
      ]);
      expect([stdoutOf(ended, 1), stdoutOf(ended, 2)]).toEqual(['one\n', 'one\ntwo\nx\n']);
    });

    it('keeps the times of inputs, of few as of many, and tells those of outputs', async () => {
      const DAY_MS = 86_400_000;
      const from = Date.UTC(2020, 0, 1) + 250.5;
      const names = Array.from({ length: 12 }, (_, index) => `f${index}`);
      const timesOf = async ({ workspace }: Ended, paths: readonly string[]): Promise<number[]> =>
        Promise.all(paths.map(async (path) => (await workspace.stat(path, never))?.modifiedMs ?? 0));
      for (const count of [2, 12]) {
        const some = names.slice(0, count);
        const job = driver.job({
          inputs: some.map((name) => ({ path: `/in/${name}`, type: 'FILE' as const })),
          outputs: [{ path: '/out/**', path_prefix: '/out', url: '/x', type: 'FILE' }],
          executors: [
            {
              // The older one is made last.
              command: sh(
                '[ /in/f0 -nt /in/f1 ] && stat -c %Y /in/f*; cp -p /in/f1 /out/copy; echo >/out/new; echo >/out/old; touch -d @86400 /out/old',
              ),
            },
          ],
        });
        const files = some.map((name, index): [string, { text: string } & InputAttributes] => [
          `/in/${name}`,
          { text: name, mode: index % 2 === 0 ? 0o644 : 0o755, modifiedMs: from - index * DAY_MS },
        ]);
        const before = Date.now();
        const ended = await carryOut(job, Object.fromEntries(files));
        expect(errorsOf(ended)).toEqual([[0], ['']]);
        const seen = new Map(some.map((name, index) => [`/in/${name}`, String(Math.floor((from - index * DAY_MS) / 1000))]));
        expect(stdoutOf(ended)).toBe(
          [...seen.keys()]
            .sort()
            .map((path) => `${seen.get(path) ?? ''}\n`)
            .join(''),
        );
        const [kept = 0, copied = 0, fresh = 0, old] = await timesOf(ended, ['/in/f0', '/out/copy', '/out/new', '/out/old']);
        expect(kept).toBeCloseTo(from, 2);
        // Some programs copy whole seconds.
        expect(Math.abs(copied - (from - DAY_MS))).toBeLessThan(1000);
        expect(fresh).toBeGreaterThan(before - 1000);
        expect(old).toBe(DAY_MS);
      }
    });

    it('keeps the times of what lies directly in /', async () => {
      const modifiedMs = Date.UTC(2020, 0, 1);
      const job = driver.job({
        inputs: [{ path: '/own.txt', type: 'FILE' }],
        outputs: [{ path: '/kept.txt', type: 'FILE', url: '/x' }],
        executors: [{ command: sh('stat -c %Y /own.txt; cp -p /own.txt /kept.txt') }],
      });
      const ended = await carryOut(job, { '/own.txt': { text: 'own', mode: 0o644, modifiedMs } });
      expect(stdoutOf(ended)).toBe(`${modifiedMs / 1000}\n`);
      expect((await ended.workspace.stat('/kept.txt', never))?.modifiedMs).toBe(modifiedMs);
    });

    it('brings links and odd names that lie directly in / as they are', async () => {
      const script = [
        'echo real >/work/real.txt; ln -s /work/real.txt /named.txt; ln -s /work/real.txt /new.txt; ln -s /nowhere /stray.txt',
        'echo blank >"/blank.txt "; echo colon >/a:b.txt; echo dots >/..dots.txt; mkdir /d.txt; echo below >/d.txt/..x; echo in >/w:k/in',
      ];
      const job = driver.job({
        volumes: ['/work', '/w:k'],
        outputs: [
          { path: '/named.txt', type: 'FILE', url: '/x' },
          { path: '/*.txt*', path_prefix: '/', type: 'FILE', url: '/y' },
        ],
        executors: [
          { command: sh(script.join(';')) },
          { command: sh('cat "/blank.txt " /a:b.txt /..dots.txt /d.txt/..x /new.txt /w:k/in') },
        ],
      });
      const ended = await driver.carryOut(job);
      expect([errorsOf(ended), stdoutOf(ended, 1)]).toEqual([
        [
          [0, 0],
          ['', ''],
        ],
        'blank\ncolon\ndots\nbelow\nreal\nin\n',
      ]);
      const targets = ['/named.txt', '/new.txt', '/stray.txt'].map((path) => ended.workspace.stat(path, never));
      expect(await Promise.all(targets)).toMatchObject([
        { kind: 'link', linkTarget: '/work/real.txt' },
        { kind: 'link', linkTarget: '/work/real.txt' },
        { kind: 'link', linkTarget: '/nowhere' },
      ]);
      for (const [path, text] of [
        ['/blank.txt ', 'blank\n'],
        ['/a:b.txt', 'colon\n'],
        ['/..dots.txt', 'dots\n'],
        ['/d.txt/..x', 'below\n'],
      ] as const)
        expect(await textOf(ended.workspace, path)).toBe(text);
    });

    it('takes stdin through links that stay in what the task can see', async () => {
      const names = ['plain', 'relative', 'absolute', 'across', 'dir/deep', 'chain', "odd'\n*$(x)"];
      const make = [
        'cd /work; echo text >real; mkdir d; echo text >d/deep; echo text >/data/a/b/far',
        'ln -s real plain; ln -s ./d/../real relative; ln -s /work/real absolute; ln -s ../data/a/b/far across; ln -s d dir',
        'ln -s ../../../work/across /data/a/b/back; ln -s /data//a/b/back chain; ln -s chain "$1"',
      ];
      const job = driver.job({
        volumes: ['/work', '/data/a/b'],
        executors: [
          { command: [...sh(make.join('\n')), 'sh', names.at(-1) ?? ''] },
          ...names.map((file) => ({ command: ['cat'], stdin: `/work/${file}` })),
        ],
      });
      const ended = await driver.carryOut(job);
      expect(errorsOf(ended)).toEqual([
        [0, ...names.map(() => 0)],
        ['', ...names.map(() => '')],
      ]);
      expect(names.map((_, index) => stdoutOf(ended, index + 1))).toEqual(names.map(() => 'text\n'));
    });

    it('takes stdin through a link that was staged in a directory', async () => {
      const job = driver.job({
        inputs: [{ path: '/in', type: 'DIRECTORY' }],
        executors: [{ command: ['cat'], stdin: '/in/d/link' }],
      });
      const ended = await carryOut(job, { '/in/d/real': { text: 'staged\n', mode: 0o644 } }, { '/in/d/link': './real' });
      expect([exitCodes(ended), stdoutOf(ended)]).toEqual([[0], 'staged\n']);
    });

    it.each([
      ['to a file of the host', (secret: string) => secret],
      ['up and out', (secret: string) => `${'../'.repeat(20)}${secret.slice(1)}`],
      ['to the host through a directory', (secret: string) => `/work/out/${basename(secret)}`],
      ['out of its directories and back', () => '/etc/../work/real'],
      ['in a loop', () => '/work/in'],
      ['to nothing', () => 'none'],
      ['to a directory', () => '/work'],
      ['to what lies above its directories', () => '/data/a'],
    ])('refuses by name a stdin that is a link %s', async (_, target) => {
      const secret = join(workDir, 'secret');
      await fs.writeFile(secret, 'of the host');
      const job = driver.job({
        volumes: ['/work', '/data/a/b'],
        executors: [
          { command: [...sh('echo x >/work/real; ln -s "$2" /work/out; ln -s "$1" /work/in'), 'sh', target(secret), workDir] },
          { command: ['cat'], stdin: '/work/in' },
        ],
      });
      const ended = await driver.carryOut(job);
      expect(ended.observation).toMatchObject({ phase: 'failed', systemError: { retryable: false } });
      expect(ended.observation.systemError?.message).toContain('/work/in neither is nor leads to a regular file of the task');
      expect(exitCodes(ended)).toEqual([0]);
      expect(JSON.stringify(ended.observation)).not.toContain('of the host');
    });

    it('shows a name that is not UTF-8 as what cannot be named, beside all the others', async () => {
      const ended = await driver.shell(
        'cd /work; echo x >good; mkdir -p e; echo x >"$(printf "caf\\351")"; ln -s "$(printf "\\351")" link',
        {
          volumes: ['/work'],
        },
      );
      const found = [];
      for await (const { path, kind, reason } of ended.workspace.list('/work', never)) found.push([path, kind, reason]);
      expect(found).toEqual([
        ['/work/caf\\xe9', 'other', 'has a name that is not valid UTF-8'],
        ['/work/e', 'directory', undefined],
        ['/work/good', 'file', undefined],
        ['/work/link', 'other', 'is a link whose target is not valid UTF-8'],
      ]);
    });

    it('leaves the modes of its files to a task whose executors have one image', async () => {
      const job = driver.job({
        volumes: ['/work'],
        executors: [{ command: sh('echo key >/work/key; chmod 600 /work/key') }, { command: ['stat', '-c', '%a', '/work/key'] }],
      });
      expect(stdoutOf(await driver.carryOut(job), 1)).toBe('600\n');
    });
  });
}
