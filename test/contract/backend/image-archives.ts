import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
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

const sum = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

async function layerAndConfig(directory: string): Promise<{ readonly layer: Buffer; readonly config: string }> {
  const { stdout: layer } = await runFile('tar', ['-C', directory, '-cf', '-', '.'], { encoding: 'buffer', maxBuffer: 64 << 20 });
  const config = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [`sha256:${sum(layer)}`] },
  });
  return { layer, config };
}

/** Without content it is a directory. */
async function writeTar(archive: string, entries: readonly (readonly [string, (string | Buffer)?])[]): Promise<void> {
  const tar = pack();
  for (const [name, content] of entries) tar.entry(content === undefined ? { name, type: 'directory' } : { name }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk);
  await fs.writeFile(archive, Buffer.concat(chunks));
}

/** The same as `docker save` writes it, under these names. */
export async function makeArchive(archive: string, directory: string, names: readonly string[]): Promise<void> {
  const { layer, config } = await layerAndConfig(directory);
  await writeTar(archive, [
    ['layer.tar', layer],
    [`${sum(config)}.json`, config],
    ['manifest.json', JSON.stringify([{ Config: `${sum(config)}.json`, RepoTags: names, Layers: ['layer.tar'] }])],
  ]);
}

/** The same as `podman save --format oci-archive` writes it, under this name. */
export async function makeOciArchive(archive: string, directory: string, name: string): Promise<void> {
  const { layer, config } = await layerAndConfig(directory);
  const packed = gzipSync(layer);
  const described = (mediaType: string, content: string | Buffer): object => ({
    mediaType: `application/vnd.oci.image.${mediaType}`,
    digest: `sha256:${sum(content)}`,
    size: content.length,
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: described('config.v1+json', config),
    layers: [described('layer.v1.tar+gzip', packed)],
  });
  const annotations = { 'org.opencontainers.image.ref.name': name };
  const index = { schemaVersion: 2, manifests: [{ ...described('manifest.v1+json', manifest), annotations }] };
  await writeTar(archive, [
    ['blobs'],
    ['blobs/sha256'],
    ...[packed, config, manifest].map((blob) => [`blobs/sha256/${sum(blob)}`, blob] as const),
    ['index.json', JSON.stringify(index)],
    ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
  ]);
}
