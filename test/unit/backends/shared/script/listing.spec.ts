import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';

const SCRIPT = resolve('src/backends/shared/script/job-host.sh');

describe('the listing of the files of a job', () => {
  const directory = temporaryDirectory('listing');
  const listed = async (find: string): Promise<string> => {
    await mkdir(join(directory(), 'trees'));
    await mkdir(join(directory(), 'bin'));
    await writeFile(join(directory(), 'trees/out'), 'text');
    await writeFile(join(directory(), 'bin/find'), `#!/bin/sh\n${find}\n`);
    await chmod(join(directory(), 'bin/find'), 0o755);
    const env = { PATH: `${join(directory(), 'bin')}:${process.env['PATH'] ?? ''}` };
    execFileSync('sh', ['-c', `. ${SCRIPT}; sum_outputs() { :; }; list_trees || :`], { cwd: directory(), env });
    return readFile(join(directory(), 'listing'), 'utf8');
  };

  it('ends with its last word when all was seen', async () => {
    expect(await listed('PATH=${PATH#*:} exec find "$@"')).toMatch(/out\0.*\0whole\0$/s);
  });

  it('has no last word when something could not be seen, so that no output seems not to be there', async () => {
    expect(await listed('PATH=${PATH#*:} find "$@"; exit 1')).not.toContain('whole');
  });
});
