import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LocalLauncher } from '../../../../src/backends/local/local-launcher';
import { temporaryDirectory } from '../temporary-directory';

describe('the launcher of job scripts', () => {
  const directory = temporaryDirectory('local launcher');
  let launcher: LocalLauncher;

  beforeEach(() => {
    launcher = new LocalLauncher({ PATH: process.env['PATH'] ?? '', MARK: 'here' });
  });
  afterEach(() => launcher.close());

  /** Resolves when the script has ended. */
  const carriedOut = async (text: string, name = 'tes-a-1'): Promise<void> => {
    const path = join(directory(), `script ${name}`);
    await fs.writeFile(path, text);
    await new Promise<void>((resolve, reject) => {
      launcher.start(name, path, directory(), resolve).catch(reject);
    });
  };
  const said = async (name: string): Promise<readonly string[]> => (await fs.readFile(join(directory(), name), 'utf8')).trim().split(' ');
  const appeared = async (name: string): Promise<void> => {
    for (let looks = 0; !existsSync(join(directory(), name)) && looks < 200; looks += 1) await pause(20);
    expect(existsSync(join(directory(), name))).toBe(true);
  };

  it('starts a script in a session of its own, with that environment and no other, and tells its end', async () => {
    await carriedOut('read -r line </proc/$$/stat; set -- "$1" ${line##*) }; echo "$5 $$ $MARK $TES_GATEWAY_JOB $HOME." >"$1/said"');
    const [session, own, mark, job, home] = await said('said');
    expect([session, mark, job, home]).toEqual([own, 'here', 'tes-a-1', '.']);
  });

  it('takes the zombie of an ended script away, so that the shell need not remember it', async () => {
    await carriedOut('exec 3</proc/self/stat; read -r line <&3; set -- "$1" ${line##*) }; echo "$3" >"$1/parent"');
    const [waiter = ''] = await said('parent');
    for (let looks = 0; existsSync(`/proc/${waiter}`) && looks < 200; looks += 1) await pause(20);
    expect(existsSync(`/proc/${waiter}`)).toBe(false);
  });

  it('tells the end of what it can no longer watch, lets it live on, and starts what comes next', async () => {
    const lost = carriedOut('while [ ! -e "$1/go" ]; do sleep 0.05; done; echo late >"$1/late"');
    await carriedOut('exit 0', 'tes-c-1');
    launcher.close();
    await lost;
    expect(existsSync(join(directory(), 'late'))).toBe(false);
    await carriedOut('exit 0', 'tes-c-2');
    await fs.writeFile(join(directory(), 'go'), '');
    await appeared('late');
  });

  it('lets no script reach another by a signal to its whole group', async () => {
    const other = carriedOut('while [ ! -e "$1/go" ]; do sleep 0.05; done; echo late >"$1/late"', 'tes-d-1');
    await carriedOut('kill -KILL 0', 'tes-d-2');
    await fs.writeFile(join(directory(), 'go'), '');
    await other;
    expect(existsSync(join(directory(), 'late'))).toBe(true);
  });

  it('refuses a directory that would be two lines', () => {
    expect(() => launcher.start('tes-e-1', '/a', '/b\nstart 1 c', () => undefined)).toThrow(/line break/);
  });
});
