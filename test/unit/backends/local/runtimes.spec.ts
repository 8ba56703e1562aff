import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JobDirectories } from '../../../../src/backends/local/job-directories';
import { LocalClient } from '../../../../src/backends/local/local.client';
import { Runtimes } from '../../../../src/backends/local/runtimes';
import { RUNTIMES } from '../../../../src/backends/shared/runtimes/runtimes';
import { localSettings } from '../../../contract/backend/local-backend.fixture';
import { temporaryDirectory } from '../temporary-directory';

const never = new AbortController().signal;
const AWAY = 'echo "is the daemon running?" >&2; exit 1';
const FAKE = {
  name: 'docker',
  env: {},
  environment: process.env,
  images: { busybox: '', noShell: '', filled: '', missing: '' },
} as const;
const { limitsFormat, initFormat } = RUNTIMES.docker.engine ?? {};

describe('the runtime of this machine', () => {
  const directory = temporaryDirectory('runtimes');
  const engine = (name: string, script: string): void => {
    mkdirSync(join(directory(), 'bin'), { recursive: true });
    writeFileSync(join(directory(), 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  };
  const works = (limits: string, init: string): string =>
    `case "$1 $3" in version*) echo 27.5 ;; 'info ${limitsFormat}') echo ${limits} ;; 'info ${initFormat}') echo ${init} ;; *) exit 1 ;; esac`;
  const made = async (runtime: 'auto' | 'docker', said: string[] = []): Promise<Runtimes> => {
    const settings = localSettings(FAKE, directory(), { runtime, log: (_level, message) => void said.push(message) });
    const directories = new JobDirectories(directory());
    await directories.prepare();
    const client = new LocalClient({ PATH: `${join(directory(), 'bin')}:${process.env['PATH']}` });
    const runtimes = new Runtimes(settings, client, directories);
    await runtimes.start();
    return runtimes;
  };

  beforeEach(() => {
    rmSync(join(directory(), 'bin'), { recursive: true, force: true });
    for (const name of ['docker', 'podman', 'apptainer']) engine(name, AWAY);
  });

  it('is waited for, and asked again, until it works', async () => {
    const runtimes = await made('docker');
    await expect(runtimes.require(never)).rejects.toMatchObject({
      unavailable: true,
      message: expect.stringContaining('is the daemon running?'),
    });
    await expect(runtimes.factsOf('docker', never)).rejects.toMatchObject({ unavailable: true });
    expect(await runtimes.health(never)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('docker does not work on this machine'),
    });
    expect([runtimes.current, runtimes.facts]).toEqual(['docker', undefined]);
    engine('docker', works('true true true', 'de40ad0'));
    expect(await runtimes.require(never)).toBe('docker');
    expect(runtimes.facts).toMatchObject({ version: '27.5', init: 'own', engineLimits: expect.any(String) });
    expect(await runtimes.health(never)).toEqual({ ok: true, detail: 'docker 27.5' });
    // What it can do is not asked of each job.
    expect(await runtimes.factsOf('docker', never)).toBe(runtimes.facts);
    engine('docker', AWAY);
    expect(await runtimes.health(never)).toEqual({ ok: false, detail: 'docker does not answer' });
    // Nor is any started in vain, once it is known to be away; what it had counts until it answers.
    await expect(runtimes.require(never)).rejects.toMatchObject({ unavailable: true });
    await expect(runtimes.factsOf('docker', never)).rejects.toMatchObject({ unavailable: true });
    expect(runtimes.facts).toMatchObject({ version: '27.5' });
    engine('docker', works('true true true', 'de40ad0'));
    expect(await runtimes.factsOf('docker', never)).toBe(runtimes.facts);
    expect(readdirSync(join(directory(), 'scripts')).filter((name) => name.startsWith('probe'))).toEqual([]);
  });

  it('is, with `auto`, the first that works; one without an init is said', async () => {
    const said: string[] = [];
    const runtimes = await made('auto', said);
    await expect(runtimes.require(never)).rejects.toMatchObject({ unavailable: true });
    expect(runtimes.current).toBeUndefined();
    engine('docker', works('true true true', 'N/A'));
    expect([await runtimes.require(never), runtimes.current]).toEqual(['docker', 'docker']);
    expect(said).toEqual([expect.stringContaining('containers have no init'), 'container runtime: docker 27.5']);
  });

  it('runs no job where the machine lacks what ends one', async () => {
    const runtimes = await made('docker');
    engine('docker', works('true true true', 'de40ad0'));
    engine('grep', 'exit 2');
    await expect(runtimes.require(never)).rejects.toMatchObject({
      unavailable: true,
      message: expect.stringContaining('this machine lacks grep with -z'),
    });
  });

  it('is not known, and no bug of the gateway, where the machine cannot be asked', async () => {
    const runtimes = await made('docker');
    rmSync(join(directory(), 'scripts'), { recursive: true });
    await expect(runtimes.require(never)).rejects.toMatchObject({ retryable: true, message: expect.stringContaining('ENOENT') });
    const noProcess = new LocalClient();
    noProcess.command = () => Promise.reject(new Error('EAGAIN'));
    const directories = new JobDirectories(directory());
    await directories.prepare();
    const mute = new Runtimes(localSettings(FAKE, directory(), { runtime: 'docker' }), noProcess, directories);
    await expect(mute.require(never)).rejects.toMatchObject({ retryable: true, unavailable: true });
    expect(await mute.health(never)).toMatchObject({ ok: false });
  });
});
