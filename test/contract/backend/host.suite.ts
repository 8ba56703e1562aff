import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { type BackendUnderTest, exitCodes, type JobDriver, stdoutOf, withDriver } from './execution-backend.fixture';

const SECRET = 'of the machine alone\n';
const isRoot = process.getuid?.() === 0;

/** What bubblewrap shows of the machine that a job runs on, of which it is a part. */
export function describeHost(name: string, underTest: () => BackendUnderTest): void {
  describe(`${name}: the machine itself`, () => {
    let driver: JobDriver;
    /** Directories of the machine in which a file is closed, one is open, and a directory is closed. Nobody but root can make them. */
    const planted: string[] = [];

    const plant = async (parent: string): Promise<void> => {
      const directory = await fs.mkdtemp(join(parent, 'tes-gateway-test-'));
      planted.push(directory);
      await fs.chmod(directory, 0o755);
      await fs.writeFile(join(directory, 'closed.key'), SECRET, { mode: 0o600 });
      await fs.writeFile(join(directory, 'open.pem'), 'for everybody\n', { mode: 0o644 });
      await fs.mkdir(join(directory, 'closed'), { mode: 0o700 });
      await fs.writeFile(join(directory, 'closed', 'key'), SECRET, { mode: 0o644 });
    };

    beforeAll(async () => {
      if (!isRoot) return;
      for (const parent of ['/etc/ssl', '/usr/local/lib']) await plant(parent);
      // A worker's list may be of a moment ago.
      await fs.rm(join(underTest().workspaceOf('', 'job'), '../../../.tes-gateway/closed'), { force: true });
    });
    withDriver(name, underTest, (made) => (driver = made.driver));
    afterAll(async () => {
      for (const directory of planted) await fs.rm(directory, { recursive: true, force: true });
    });

    const sum = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex');
    /** Of all files below that others may not read, with content. */
    const closedBelow = async (directory: string): Promise<readonly string[]> => {
      const sums: string[] = [];
      for (const entry of await fs.readdir(directory, { withFileTypes: true, recursive: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || ((await fs.stat(path)).mode & 0o004) !== 0) continue;
        const content = await fs.readFile(path).catch(() => Buffer.alloc(0));
        if (content.length > 0) sums.push(sum(content));
      }
      return sums;
    };

    it.each([[[]], [['/etc/own']], [['/etc/ssl/own']], [['/etc']], [['/etc/ssl', '/usr/own', '/root/own']]])(
      'shows of /etc what programs need and everybody may read, with volumes %j',
      async (volumes: string[]) => {
        const script =
          'find /etc -type f -exec sha256sum {} +; ls -A /root 2>/dev/null; for f in shadow gshadow sudoers ssh munge krb5.keytab ssl/private; do [ ! -e /etc/$f ] || echo "$f is there"; done; test -r /etc/passwd && test -s /etc/hosts';
        const ended = await driver.shell(script, { volumes });
        const lines = stdoutOf(ended).trim().split('\n');
        const shown = lines.filter((line) => /^[0-9a-f]{64} /.test(line));
        expect(lines.filter((line) => !shown.includes(line) && line !== 'own')).toEqual([]);
        expect(exitCodes(ended)).toEqual([0]);
        const closed = new Set([...(await closedBelow('/etc')), sum(SECRET)]);
        expect(shown.filter((line) => closed.has(line.slice(0, 64)))).toEqual([]);
      },
      120_000,
    );

    it('shows certificates', async () => {
      const ended = await driver.shell('ls /etc/ssl/certs | head -n 1; cat /etc/ssl/tes-gateway-test-*/open.pem');
      expect(stdoutOf(ended)).toMatch(isRoot ? /^.+\nfor everybody\n$/ : /^.+\n/);
    });

    it('shows nothing of its own directories that others may not read, wherever volumes lie', async () => {
      const place = planted.find((directory) => directory.startsWith('/usr/')) ?? '/usr/local/lib';
      for (const volumes of [[], ['/usr/local/own'], ['/usr/local/lib/own'], [place], [join(place, 'own')]]) {
        const script = `cd ${place}; cat open.pem; cat closed.key closed/key 2>/dev/null; ls -A closed 2>/dev/null`;
        const job = driver.job({ volumes, executors: [{ command: ['/bin/sh', '-c', script] }] });
        // A worker does not show what lies so deep beside a volume.
        if (driver.backend.check(job.request, job.needs).length > 0) continue;
        expect([volumes, stdoutOf(await driver.carryOut(job))]).toEqual([volumes, isRoot ? 'for everybody\n' : '']);
      }
      if (isRoot) {
        for (const volumes of [[join(place, 'closed')], [join(place, 'closed', 'own')]]) {
          const job = driver.job({ volumes, executors: [{ command: ['true'] }] });
          if (driver.backend.check(job.request, job.needs).length > 0) continue;
          const { observation } = await driver.carryOut(job);
          expect(observation).toMatchObject({ phase: 'failed', executors: [], systemError: { retryable: false } });
          expect(observation.systemError?.message).toMatch(/that only root may read$/);
        }
      }
      const all = await driver.shell(
        'find /usr /bin /sbin /lib* -type f ! -perm -004 -size +0 2>/dev/null | while read -r f; do [ ! -r "$f" ] || echo "$f"; done',
      );
      expect(stdoutOf(all)).toBe('');
    }, 120_000);
  });
}
