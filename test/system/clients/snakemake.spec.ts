import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeEngine, loadSnakemakeImage } from '../engines';
import { LOGIN, tokenOf } from '../login';
import { type RunningServer, startServer } from '../server';

const run = promisify(execFile);

describeEngine('podman', 'Snakemake 7 with --tes and a token', (engine) => {
  let server: RunningServer;
  let token: string;
  let snakemake: { image: string; root: string };
  beforeAll(async () => {
    snakemake = await loadSnakemakeImage(engine());
    server = await startServer({ engine: engine(), settings: LOGIN });
    token = await tokenOf(server);
  }, 900_000);
  afterAll(() => server.remove());

  /** Snakemake as a user starts it, from the unpacked image, with the working directory at its own path and the host's network. */
  const start = (directory: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    run('bwrap', [
      ...['usr', 'etc', 'var'].flatMap((name) => ['--ro-bind', join(snakemake.root, name), `/${name}`]),
      ...['bin', 'lib', 'lib64', 'sbin'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
      ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--die-with-parent'],
      ...['--bind', directory, directory, '--chdir', directory, '--setenv', 'HOME', directory, '--setenv', 'TES_TOKEN', token],
      ...['snakemake', '--tes', server.url, '--container-image', snakemake.image, '--jobs', '2', ...args],
    ]);

  const project = (name: string, rules: string): string => {
    const directory = join(server.files, name);
    mkdirSync(join(directory, 'data'), { recursive: true });
    writeFileSync(join(directory, 'Snakefile'), rules);
    writeFileSync(join(directory, 'data', 'a.txt'), '1\n2\n');
    writeFileSync(join(directory, 'data', 'b.txt'), '3\n');
    return directory;
  };

  it('carries a workflow of three rules through to its report and its logs', async () => {
    const directory = project('workflow', '');
    copyFileSync(join(__dirname, 'Snakefile'), join(directory, 'Snakefile'));
    await start(directory);
    expect(readFileSync(join(directory, 'report.txt'), 'utf8')).toBe('3\n');
    expect(readFileSync(join(directory, 'counts', 'a.txt'), 'utf8').trim()).toBe('2');
    expect(readFileSync(join(directory, 'logs', 'b.log'), 'utf8')).toBe('counted b\n');
  }, 300_000);

  it('ends the workflow with an error when a rule fails', async () => {
    const directory = project('failing', 'rule fail:\n    output: "never.txt"\n    shell: "exit 7"\n');
    await expect(start(directory, 'never.txt')).rejects.toMatchObject({ code: 1 });
  }, 300_000);
});
