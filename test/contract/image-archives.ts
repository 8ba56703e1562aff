import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';

const runFile = promisify(execFile);

/** A root file system in which `/bin/busybox cat /who` says `who`. */
export async function makeRootDirectory(directory: string, who: string): Promise<void> {
  for (const needed of ['bin', 'tmp', 'proc', 'sys', 'dev', 'etc', 'var/tmp']) await fs.mkdir(join(directory, needed), { recursive: true });
  await fs.copyFile('/usr/bin/busybox', join(directory, 'bin/busybox'));
  await fs.chmod(join(directory, 'bin/busybox'), 0o755);
  await fs.writeFile(join(directory, 'who'), `${who}\n`);
}

export const SAY_WHO = ['/bin/busybox', 'cat', '/who'];

/** The same as `docker save` writes it, under these names. */
export async function makeArchive(archive: string, directory: string, names: readonly string[]): Promise<void> {
  const { stdout: layer } = await runFile('tar', ['-C', directory, '-cf', '-', '.'], { encoding: 'buffer', maxBuffer: 64 << 20 });
  const sum = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
  const config = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [`sha256:${sum(layer)}`] },
  });
  const tar = pack();
  tar.entry({ name: 'layer.tar' }, layer);
  tar.entry({ name: `${sum(config)}.json` }, config);
  tar.entry({ name: 'manifest.json' }, JSON.stringify([{ Config: `${sum(config)}.json`, RepoTags: names, Layers: ['layer.tar'] }]));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk);
  await fs.writeFile(archive, Buffer.concat(chunks));
}
