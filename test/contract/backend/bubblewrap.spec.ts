import { execFile } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeEngine } from '../../system/engines';
import { exitCodes, JobDriver, makeWorkDirectory, removeWorkDirectory, stdoutOf, textOf } from './execution-backend.fixture';
import { describeFullDisk, describeKilledRuntime } from './faults.suite';
import { describeFiles } from './files.suite';
import { describeHost } from './host.suite';
import { describeHostile } from './hostile.suite';
import { describeLife, describeLifeHere, describeStart } from './life.suite';
import { describeLimits } from './limits.suite';
import { describeExecutors } from './execution-backend.suite';
import { localUnderTest } from './local-backend.fixture';

const never = new AbortController().signal;

describeEngine('bubblewrap', 'ExecutionBackend', (engine) => {
  const underTest = localUnderTest(engine);
  describeExecutors('bubblewrap', underTest);
  describeFiles('bubblewrap', underTest);
  describeFullDisk('bubblewrap', underTest);
  describeKilledRuntime('bubblewrap', underTest, ['bwrap']);
  describeLife('bubblewrap', underTest);
  describeLifeHere('bubblewrap', underTest);
  describeStart('bubblewrap', underTest);
  describeLimits('bubblewrap', underTest);
  describeHostile('bubblewrap', underTest);
  describeHost('bubblewrap', underTest);

  describe('bubblewrap: its own', () => {
    let workDir: string;
    let driver: JobDriver;

    beforeAll(async () => {
      workDir = await makeWorkDirectory('bubblewrap');
      const backend = underTest().make(workDir);
      await backend.start(never);
      driver = new JobDriver(backend, engine().images);
    });
    afterEach(() => driver.cleanAll());
    afterAll(() => removeWorkDirectory(workDir));

    it('exits when the script of one attempt is started a second time', async () => {
      const count = { command: ['/bin/sh', '-c', 'echo x >>/work/count'] };
      const ended = await driver.carryOut(driver.job({ volumes: ['/work'], executors: [count, { command: ['true'] }] }));
      const script = (await fs.readdir(join(workDir, 'scripts'))).find((name) => name.startsWith('bubblewrap-')) ?? '';
      const directory = join(workDir, 'jobs', ended.job.name);
      await promisify(execFile)('/bin/sh', [join(workDir, 'scripts', script), directory]);
      expect(await textOf(ended.workspace, '/work/count')).toBe('x\n');
    });

    it('starts no further executor once the cancel mark is there, whoever left it', async () => {
      const first = { command: ['/bin/sh', '-c', 'echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done'] };
      const job = driver.job({ executors: [first, { command: ['true'] }] });
      const handle = await driver.start(job);
      await driver.untilPrinted(job, handle, 'ready');
      await fs.writeFile(join(workDir, 'cancelled', job.name), '');
      await fs.writeFile(join(workDir, 'jobs', job.name, 'trees', '0', 'go'), '');
      const ended = await driver.ended(job, handle);
      expect([ended.observation.phase, exitCodes(ended)]).toEqual(['lost', [0]]);
    });

    it('says on every task that the image was not used', async () => {
      const { observation } = await driver.shell('true');
      expect(observation.systemLogs).toEqual([
        `image ${engine().images.busybox} was recorded but not used: bubblewrap runs this machine's own programs`,
      ]);
    });

    it('keeps the programs of this machine beside a tree in one of its directories', async () => {
      const job = driver.job({
        outputs: [{ path: '/usr/local/result.txt', type: 'FILE', url: '/x' }],
        executors: [
          {
            command: [
              '/bin/sh',
              '-c',
              'ls -d /usr/local/lib /usr/bin/env; echo done >/usr/local/result.txt; rm -rf /usr/local/lib 2>/dev/null; true',
            ],
          },
          { command: ['ls', '-d', '/usr/local/lib'] },
        ],
      });
      const ended = await driver.carryOut(job);
      expect([stdoutOf(ended), exitCodes(ended)]).toEqual(['/usr/bin/env\n/usr/local/lib\n', [0, 0]]);
      expect(await textOf(ended.workspace, '/usr/local/result.txt')).toBe('done\n');
      const names = [];
      for await (const entry of ended.workspace.list('/usr/local', never)) names.push(entry.path);
      expect(names).toEqual(['/usr/local/result.txt']);
    });

    it('needs nothing of the PATH of a task', async () => {
      const job = driver.job({
        executors: [
          { command: ['/bin/echo', 'here'], env: { PATH: '/nowhere' } },
          { command: ['true'], env: { PATH: '/nowhere' } },
        ],
      });
      const ended = await driver.carryOut(job);
      expect([stdoutOf(ended), exitCodes(ended)]).toEqual(['here\n', [0, 127]]);
      expect(ended.observation.systemError).toBeUndefined();
    });

    it('names a program that cannot be started as the task does, and nothing of its own', async () => {
      const said = async (executor: { command: string[]; stdout?: string; stderr?: string }): Promise<unknown> => {
        const { observation } = await driver.carryOut(driver.job({ executors: [executor] }));
        return [observation.executors[0]?.stdout?.text, observation.executors[0]?.stderr?.text];
      };
      expect(await said({ command: ['no-such', 'word'] })).toEqual([undefined, 'no-such: No such file or directory\n']);
      expect(await said({ command: ['/etc/passwd'] })).toEqual([undefined, '/etc/passwd: Permission denied\n']);
      const both = { command: ['no-such'], stdout: '/o/log', stderr: '/o/log' };
      expect((await said(both)) as string[]).toContain('no-such: No such file or directory\n');
      // Of a program's own words nothing changes.
      expect(await said({ command: ['nice', '-n', '0', 'no-such'] })).toEqual([undefined, expect.stringMatching(/^nice: /)]);
    });

    it('has ended everything that a program left before it says how that ended', async () => {
      // The kernel needs a while to end so many, who could write, and put links in the way, meanwhile.
      const leave = 'i=0; while [ $i -lt 200 ]; do (while :; do echo left >>/work/log; done) >/dev/null 2>&1 & i=$((i+1)); done';
      const mark = `left-${process.pid}-${Date.now()}`;
      const ended = await driver.carryOut(driver.job({ executors: [{ command: ['/bin/sh', '-c', leave, mark], stdout: '/work/said' }] }));
      const pids = (await fs.readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
      const lines = await Promise.all(pids.map((pid) => fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
      expect(lines.filter((line) => line.includes(mark))).toHaveLength(0);
      expect([ended.observation.phase, exitCodes(ended)]).toEqual(['succeeded', [0]]);
    });

    it('does not stumble over what an executor made of the mount points', async () => {
      const evil = 'mv /etc /moved; ln -s /oldroot/tmp /etc; mv /var /gone; echo out >/out.txt; true';
      const job = driver.job({
        outputs: [{ path: '/out.txt', type: 'FILE', url: '/x' }],
        executors: [{ command: ['/bin/sh', '-c', evil] }, { command: ['/bin/sh', '-c', 'cat /out.txt; test -r /etc/passwd'] }],
      });
      const before = await fs.readdir('/tmp');
      const ended = await driver.carryOut(job);
      expect([exitCodes(ended), stdoutOf(ended, 1)]).toEqual([[0, 0], 'out\n']);
      expect((await fs.readdir('/tmp')).filter((name) => !before.includes(name) && /^(passwd|hosts|group|ssl)$/.test(name))).toEqual([]);
    });
  });
});
