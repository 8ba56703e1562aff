import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionBackend } from '../../../src/ports/execution-backend';
import {
  type BackendUnderTest,
  exitCodes,
  JobDriver,
  makeWorkDirectory,
  namesBelow,
  removeWorkDirectory,
  stdoutOf,
  textOf,
} from './execution-backend.fixture';

const never = new AbortController().signal;

/** Every character of Latin-1 and some beyond, in UTF-8: all bytes that a shell might take for its own. */
const EVERY_CHARACTER = `${Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join('')}\u2028\ufffd\u{1f600}`;

/** Strings that break out of careless programs. `%` stands for the canary directory. */
const HOSTILE = [
  '',
  ' ',
  "'",
  '"',
  '\\',
  "'; touch %/a; '",
  '"; touch %/b; "',
  '$(touch %/c)',
  '`touch %/d`',
  '${IFS}',
  '\n touch %/e\n',
  '; touch %/f #',
  '&& touch %/g',
  '| tee %/h',
  '--privileged',
  '-v/:/host',
  '--',
  '-',
  '*',
  '~root',
  '{a,b}',
  'a=b',
  '%s%n',
  'trailing\n',
  'trailing\\',
  '\r\n',
  'a,b"c:d',
  EVERY_CHARACTER,
];

/** Of every process that this machine has now. */
async function commandLines(): Promise<readonly string[]> {
  const pids = (await fs.readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  return Promise.all(pids.map((pid) => fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}

/** What every ExecutionBackend promises about strings and files that somebody made to break it. Everything here is really carried out. */
export function describeHostile(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: hostile strings and files`, () => {
    let backend: ExecutionBackend;
    let driver: JobDriver;
    let workDir: string;
    let canary: string;
    let hostile: readonly string[];

    beforeAll(async () => {
      workDir = await makeWorkDirectory(name);
      canary = await makeWorkDirectory('canary');
      hostile = HOSTILE.map((text) => text.replaceAll('%/', `${canary}/`));
      backend = underTest().make(workDir);
      await backend.start(never);
      driver = new JobDriver(backend, underTest().images);
    });
    afterEach(async () => {
      await driver.cleanAll();
      expect(await fs.readdir(canary)).toEqual([]);
    });
    afterAll(async () => {
      await backend.close?.();
      for (const directory of [workDir, canary]) await removeWorkDirectory(directory);
    });

    const nulSeparated = (text: string): readonly string[] => text.split('\0').slice(0, -1);

    it('hands every argument over byte for byte', async () => {
      const job = driver.job({ executors: [{ command: ['printf', '%s\\0', ...hostile, 'x'.repeat(64 * 1024)], stdout: '/work/argv' }] });
      const ended = await driver.carryOut(job);
      expect(exitCodes(ended)).toEqual([0]);
      expect(nulSeparated(await textOf(ended.workspace, '/work/argv'))).toEqual([...hostile, 'x'.repeat(64 * 1024)]);
    });

    it('hands every environment value over byte for byte, or refuses the name before anything runs', async () => {
      const names = [
        'PLAIN',
        'LD_PRELOAD',
        'LD_LIBRARY_PATH',
        'DOCKER_HOST',
        'CONTAINERS_CONF',
        'APPTAINER_BIND',
        'BASH_ENV',
        'ENV',
        'IFS',
        'TES_GATEWAY_JOB',
        '_',
      ];
      const env: Record<string, string> = Object.fromEntries([
        ...hostile.map((value, index) => [`V${index}`, value] as const),
        ...names.map((variable) => [variable, `value of ${variable}`] as const),
        ['HOME', '/some/where'],
        ['PATH', '/bin:/usr/bin:/x y'],
        ['LONG', 'y'.repeat(64 * 1024)],
      ]);
      const odd = { 'A.B': 'dot', 'A-B': 'dash', '1N': 'digit', CRLF: 'a\r\nb', CONTROL: EVERY_CHARACTER };
      const refusals = (variables: Record<string, string>): number => {
        const { request, needs } = driver.job({ executors: [{ command: ['true'], env: variables }] });
        return backend.check(request, needs).length;
      };
      expect(refusals({ PLAIN: 'x', PATH: '/bin', LD_PRELOAD: '', SPACES: ' a\n', QUOTES: '\'"`$(id)\\' })).toBe(0);
      const all = Object.entries({ ...env, ...odd });
      const wanted = Object.fromEntries(
        all.filter(([variable, value]) => refusals({ [variable]: value }) === 0 && !underTest().changedVariables.includes(variable)),
      );
      expect(Object.keys(wanted).length).toBeGreaterThan(all.length - 10);
      const job = driver.job({ executors: [{ command: ['/bin/env', '-0'], env: wanted, stdout: '/work/env' }] });
      expect(backend.check(job.request, job.needs)).toEqual([]);
      const ended = await driver.carryOut(job);
      expect(exitCodes(ended)).toEqual([0]);
      const found = new Map(
        nulSeparated(await textOf(ended.workspace, '/work/env')).map((line) => [
          line.slice(0, line.indexOf('=')),
          line.slice(line.indexOf('=') + 1),
        ]),
      );
      for (const [variable, value] of Object.entries(wanted)) expect([variable, found.get(variable)]).toEqual([variable, value]);
    });

    it('shows no value of a variable in the process list of the machine', async () => {
      const mark = 'Hush51';
      const values = [
        ` ${mark} `,
        `'${mark}"`,
        `$${mark}`,
        `#${mark}`,
        `${mark}\nb`,
        `{"k": "${mark}"}`,
        `-----BEGIN-----\n${mark}\n-----END-----\n`,
      ];
      const env: Record<string, string> = {
        ...Object.fromEntries(values.map((value, index) => [`V${index}`, value])),
        PATH: `/bin:/usr/bin:/a ${mark}`,
        HOME: `/home/${mark}`,
        DOCKER_HOST: `tcp://127.0.0.1:1/${mark}`,
        LD_PRELOAD: `/none/${mark}.so`,
        http_proxy: `http://u:${mark}@127.0.0.1:1`,
        ENGINE: mark,
        image: mark,
      };
      const command = ['/bin/sh', '-c', '/bin/env -0 >/work/env; sleep 1'];
      const job = driver.job({ volumes: ['/work'], executors: [{ command, env }] });
      expect(backend.check(job.request, job.needs)).toEqual([]);
      const shown = new Set<string>();
      let isOver = false;
      const watch = async (): Promise<void> => {
        while (!isOver) for (const line of await commandLines()) if (line.includes(mark)) shown.add(line);
      };
      const watching = watch();
      const ended = await driver.carryOut(job).finally(() => (isOver = true));
      await watching;
      expect([...shown]).toEqual([]);
      expect(exitCodes(ended)).toEqual([0]);
      const found = nulSeparated(await textOf(ended.workspace, '/work/env'));
      expect(found).toEqual(expect.arrayContaining(Object.entries(env).map(([variable, value]) => `${variable}=${value}`)));
    });

    it('keeps hostile paths: streams, workdir, volumes, inputs, outputs', async () => {
      const odd = [
        'a b',
        "q'uote",
        'dq"uote',
        '$(touch x)',
        '`x`',
        'semi;colon',
        'new\nline',
        'com,ma',
        'co:lon',
        'eq=ual',
        '-dash',
        '*',
        'back\\slash',
        '\u00fc\u{1f600}',
      ];
      const words = odd.map((text) => text.replace('touch x', `touch ${canary}/x`).replaceAll('/', '_'));
      const streams = driver.job({
        volumes: ['/odd'],
        inputs: words.map((word) => ({ path: `/odd/in ${word}/${word}`, type: 'FILE' })),
        executors: words.map((word) => ({
          command: ['/bin/sh', '-c', 'cat; pwd; ls -d "$1"', 'sh', `/odd/in ${word}`],
          stdin: `/odd/in ${word}/${word}`,
          stdout: `/odd/out ${word}/${word}`,
          workdir: `/odd/dir ${word}/${word}`,
        })),
      });
      const ended = await driver.carryOut(streams, Object.fromEntries(words.map((word) => [`/odd/in ${word}/${word}`, 'input\n'])));
      expect([exitCodes(ended), ended.observation.systemError]).toEqual([words.map(() => 0), undefined]);
      for (const word of words) {
        expect(await textOf(ended.workspace, `/odd/out ${word}/${word}`)).toMatch(/^input\n\/odd\/dir /);
      }
      const mounts = driver.job({
        volumes: words.map((word) => `/vol ${word}`),
        executors: [
          { command: ['/bin/sh', '-c', 'for d; do echo x >"$d/f" || exit 1; done', 'sh', ...words.map((word) => `/vol ${word}`)] },
        ],
      });
      const mounted = await driver.carryOut(mounts);
      expect([exitCodes(mounted), mounted.observation.systemError]).toEqual([[0], undefined]);
      for (const word of words) expect(await textOf(mounted.workspace, `/vol ${word}/f`)).toBe('x\n');
    }, 120_000);

    it('refuses arguments that the kernel cannot pass', () => {
      const job = driver.job({ executors: [{ command: ['true', 'x'.repeat(200_000)] }] });
      expect(backend.check(job.request, job.needs)).toHaveLength(1);
    });

    it('refuses directories of the kernel', () => {
      const job = driver.job({ volumes: ['/proc/x'], executors: [{ command: ['true'], workdir: '/dev/shm' }] });
      expect(backend.check(job.request, job.needs)).toHaveLength(2);
    });

    it('reads nothing outside the trees through links, in outputs or on the way to them', async () => {
      await fs.writeFile(join(workDir, 'host-secret'), 'secret of the host');
      const ended = await driver.shell(
        `cd /work; ln -s ${workDir}/host-secret direct; ln -s ${workDir} dir; ln -s ../../../../../../../../../../..${workDir}/host-secret up; ln -s loop loop; ln -s real/file good; mkdir real; echo fine >real/file; ln -s /work/real alias; mkfifo pipe`,
        { volumes: ['/work'] },
      );
      expect(ended.observation.phase).toBe('succeeded');
      const { workspace } = ended;
      for (const path of ['/work/direct', '/work/up', '/work/loop', '/work/pipe'])
        await expect(workspace.read(path, never)).rejects.toMatchObject({ retryable: false });
      await expect(workspace.read('/work/dir/host-secret', never)).rejects.toMatchObject({ notFound: true });
      expect(await workspace.stat('/work/dir/host-secret', never)).toBeUndefined();
      expect(await workspace.stat('/work/loop/x', never)).toBeUndefined();
      expect(await workspace.stat('/work/../../../../etc/passwd', never)).toBeUndefined();
      expect(await workspace.stat('/work/good', never)).toMatchObject({ kind: 'link', linkTarget: 'real/file' });
      expect(await textOf(workspace, '/work/alias/file')).toBe('fine\n');
      expect((await workspace.stat('/work/pipe', never))?.kind).toBe('other');
      expect(await namesBelow(workspace, '/work')).not.toContain('/work/dir/host-secret');
    });

    it('opens and places streams through no link that an executor left', async () => {
      await fs.writeFile(join(workDir, 'host-file'), 'untouched');
      const job = driver.job({
        volumes: ['/work'],
        executors: [
          {
            command: [
              '/bin/sh',
              '-c',
              `rmdir /work/l; ln -s ${workDir} /work/l; ln -s ${workDir}/host-file /work/d/out; ln -s ${workDir}/host-file /work/in`,
            ],
          },
          { command: ['echo', 'safe'], stdout: '/work/d/out', stderr: '/work/l/err' },
          { command: ['cat'], stdin: '/work/in' },
        ],
      });
      const ended = await driver.carryOut(job);
      expect(await fs.readFile(join(workDir, 'host-file'), 'utf8')).toBe('untouched');
      expect(await fs.readdir(workDir)).not.toContain('err');
      expect(await textOf(ended.workspace, '/work/d/out')).toBe('safe\n');
      expect(ended.observation.systemLogs.join('\n')).toContain('/work/l/err');
      expect(ended.observation.systemError?.message).toContain('/work/in');
      expect(ended.observation.executors).toHaveLength(2);
    });

    it('lets nothing be written to this machine: not by absolute paths, hard links, devices or a changed root', async () => {
      const script = [
        `mkdir -p ${canary} 2>/dev/null && echo x >${canary}/written`,
        `ln /etc/passwd /work/hard 2>/dev/null; mknod /work/disk b 254 0 2>/dev/null && cat /work/disk | head -c 1`,
        `mount -t tmpfs none /mnt 2>/dev/null; v=$(cat /proc/sys/kernel/core_pattern); (echo "$v" >/proc/sys/kernel/core_pattern) 2>/dev/null && echo kernel; echo x >/usr/bin/evil 2>/dev/null`,
        `mv /etc /moved 2>/dev/null; ln -s /oldroot/tmp /etc 2>/dev/null; ls ${workDir} 2>/dev/null`,
        'kill -9 -1 2>/dev/null; true',
      ].join('; ');
      const job = driver.job({
        volumes: ['/work'],
        executors: [
          { command: ['/bin/sh', '-c', script], ignore_error: true },
          { command: ['/bin/sh', '-c', 'cat /etc/passwd >/dev/null; echo second'] },
        ],
      });
      const ended = await driver.carryOut(job);
      expect(stdoutOf(ended, 0)).toBe('');
      expect(exitCodes(ended)).toHaveLength(2);
      await expect(fs.lstat('/usr/bin/evil')).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('shows a job neither the gateway nor other processes of this machine', async () => {
      const ended = await driver.shell('ls /proc | grep -c "^[0-9]"; cat /proc/*/environ 2>/dev/null; env');
      expect(Number(stdoutOf(ended).split('\n')[0])).toBeLessThan(12);
      expect(stdoutOf(ended)).not.toContain(underTest().gatewaySecret);
    });
  });
}
