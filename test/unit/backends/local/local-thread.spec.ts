import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalThread } from '../../../../src/backends/local/local-thread';

describe('the thread of the local backend', () => {
  let directory: string;
  let thread: LocalThread;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'local-thread-'));
    thread = new LocalThread();
  });
  afterEach(async () => {
    await thread.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const script = (text: string): string => {
    const path = join(directory, 'script');
    writeFileSync(path, text);
    return path;
  };
  const started = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      thread.startScript(script(text), directory, { PATH: process.env['PATH'] ?? '', MARK: 'here' }, resolve).catch(reject);
    });

  it('starts a script in a session of its own, with that environment and no other, and tells its end', async () => {
    await started('read -r line </proc/$$/stat; set -- ${line##*) }; echo "$4 $$ $MARK $HOME." >"$1x"; mv "$1x" "$0.said"');
    const [session, own, mark, home] = readFileSync(join(directory, 'script.said'), 'utf8').trim().split(' ');
    expect([session, mark, home]).toEqual([own, 'here', '.']);
  });

  it('tells the end of what it can no longer watch, and starts what comes next', async () => {
    const lost = started('while [ ! -e "$1/go" ]; do sleep 0.05; done; echo late >"$1/late"');
    await thread.remove(join(directory, 'nothing'));
    await thread.close();
    await lost;
    expect(existsSync(join(directory, 'late'))).toBe(false);
    await started('exit 0');
    writeFileSync(join(directory, 'go'), '');
    while (!existsSync(join(directory, 'late'))) await new Promise((resolve) => setTimeout(resolve, 20));
  });

  it('removes a tree, and says why when it cannot', async () => {
    mkdirSync(join(directory, 'a', 'b'), { recursive: true });
    await thread.remove(join(directory, 'a'));
    expect(existsSync(join(directory, 'a'))).toBe(false);
    await expect(thread.remove('/proc/self/status')).rejects.toMatchObject({
      code: expect.stringMatching(/^E(PERM|ACCES|NOENT|ROFS)$/) as string,
    });
  });
});
