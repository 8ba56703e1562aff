import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { extract, type Headers, pack } from 'tar-stream';
import { UNNAME_IMAGE } from '../../../../src/backends/local/image-files';

type Entry = Headers & { readonly content?: string };

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) tar.entry(header, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function entriesOf(tar: Buffer): Promise<readonly string[]> {
  const source = extract();
  source.end(tar);
  const found: string[] = [];
  for await (const entry of source) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk);
    const { name, type, linkname } = entry.header;
    found.push(type === 'file' ? `${name}: ${Buffer.concat(chunks).toString()}` : `${name} ${type} ${linkname ?? ''}`.trim());
  }
  return found;
}

const [program = '', ...words] = UNNAME_IMAGE;

/** Passes bytes through the program; `entries` are what comes out. */
async function pass(input: Buffer): Promise<{ code: number | null; entries: readonly string[]; said: string }> {
  const { status, stdout, stderr } = spawnSync(program, words, { input, maxBuffer: 64 << 20 });
  return { code: status, entries: status === 0 ? await entriesOf(stdout) : [], said: stderr.toString() };
}

const MANIFEST = {
  name: 'manifest.json',
  content: '[{"Config":"c.json","RepoTags":["alpine:latest"],"Layers":["l/layer.tar"],"Parent":"x"}]',
};
const UNNAMED = 'manifest.json: [{"Config":"c.json","RepoTags":null,"Layers":["l/layer.tar"]}]';
const CONFIG = { name: 'c.json', content: '{}' };
const LAYER = { name: 'l/layer.tar', content: 'layer' };

describe('an image archive', () => {
  it('goes through without the names of its image, whatever else says them', async () => {
    const archive = await tarOf([CONFIG, LAYER, MANIFEST, { name: 'repositories', content: '{"alpine":{"latest":"l"}}' }]);
    expect(await pass(archive)).toMatchObject({ code: 0, entries: ['c.json: {}', 'l/layer.tar: layer', UNNAMED] });
  });

  it("goes through without OCI's names, of which there are several kinds", async () => {
    const index = {
      schemaVersion: 2,
      annotations: { 'org.opencontainers.image.ref.name': 'a' },
      manifests: [
        {
          mediaType: 'm',
          digest: 'sha256:0',
          size: 1,
          platform: { os: 'linux' },
          annotations: { 'io.containerd.image.name': 'docker.io/library/alpine:latest', 'org.opencontainers.image.ref.name': 'latest' },
        },
      ],
    };
    const archive = await tarOf([
      { name: 'blobs', type: 'directory' },
      { name: 'blobs/sha256/0', content: 'x' },
      { name: 'index.json', content: JSON.stringify(index) },
      { name: 'oci-layout', content: '{}' },
    ]);
    expect((await pass(archive)).entries).toEqual([
      'blobs directory',
      'blobs/sha256/0: x',
      'index.json: {"schemaVersion":2,"manifests":[{"mediaType":"m","digest":"sha256:0","size":1,"platform":{"os":"linux"}}]}',
      'oci-layout: {}',
    ]);
  });

  it("of OCI's gets docker's manifest beside its index, of the image for this machine", async () => {
    const blob = (digit: string): string => digit.repeat(64);
    const document = (digit: string, content: object): Entry => ({ name: `blobs/sha256/${blob(digit)}`, content: JSON.stringify(content) });
    const refer = (digit: string, more: object = {}): object => ({ digest: `sha256:${blob(digit)}`, ...more });
    const here = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
    const manifests = [
      refer('2', { platform: here }),
      refer('3', { platform: { os: 'linux', architecture: 'other' } }),
      refer('4', { platform: { os: 'unknown', architecture: 'unknown' } }),
    ];
    const index: Entry = { name: 'index.json', content: JSON.stringify({ manifests: [refer('1', { annotations: { name: 'a' } })] }) };
    const platforms = document('1', { manifests });
    const image = document('2', { config: refer('a'), layers: [refer('b'), refer('c')] });
    const added = `manifest.json: [{"Config":"blobs/sha256/${blob('a')}","RepoTags":null,"Layers":["blobs/sha256/${blob('b')}","blobs/sha256/${blob('c')}"]}]`;
    for (const entries of [
      [index, platforms, image],
      [image, platforms, index],
    ]) {
      const { entries: out } = await pass(await tarOf(entries));
      expect([out.at(-1), out.length]).toEqual([added, 4]);
    }
    const strange = document('2', { config: { digest: 'sha256:../../x' }, layers: [] });
    for (const entries of [
      [index, platforms],
      [index, platforms, strange],
      [index, document('1', { manifests: [refer('1')] })],
    ])
      expect((await pass(await tarOf(entries))).entries).toHaveLength(entries.length);
    const { entries: out } = await pass(await tarOf([index, platforms, image, MANIFEST]));
    expect(out.filter((entry) => entry.startsWith('manifest.json'))).toEqual([UNNAMED]);
  });

  it('may be compressed', async () => {
    const archive = await tarOf([CONFIG, LAYER, MANIFEST]);
    const { entries } = await pass(archive);
    const bzip2 = spawnSync('bzip2', { input: archive });
    for (const packed of [gzipSync(archive), zstdCompressSync(archive), ...(bzip2.status === 0 ? [bzip2.stdout] : [])])
      expect(await pass(packed)).toMatchObject({ code: 0, entries });
    expect(entries).toHaveLength(3);
  });

  it('keeps links between its layers', async () => {
    const archive = await tarOf([
      LAYER,
      { name: 'm/layer.tar', type: 'symlink', linkname: '../l/layer.tar' },
      { name: 'n/layer.tar', type: 'link', linkname: 'l/layer.tar' },
      MANIFEST,
    ]);
    expect((await pass(archive)).entries.slice(1, 3)).toEqual(['m/layer.tar symlink ../l/layer.tar', 'n/layer.tar symlink ../l/layer.tar']);
  });

  const NAMED = MANIFEST.content;
  const HOSTILE: readonly { readonly what: string; readonly entries: readonly Entry[] }[] = [
    { what: 'the same name again', entries: [MANIFEST, MANIFEST] },
    {
      what: 'other spellings of the name',
      entries: [
        { ...MANIFEST, name: './/x/../manifest.json' },
        { ...MANIFEST, name: '/manifest.json' },
      ],
    },
    {
      what: 'a link to where it lies, and the name behind it',
      entries: [MANIFEST, { name: 'd', type: 'symlink', linkname: '.' }, { name: 'd/manifest.json', content: NAMED }],
    },
    {
      what: 'a way through a directory that becomes a link',
      entries: [MANIFEST, { name: 'd', type: 'symlink', linkname: 'e/..' }, { name: 'd/manifest.json', content: NAMED }],
    },
    {
      what: 'a name for it that is written to later',
      entries: [MANIFEST, { name: 'h', type: 'link', linkname: 'manifest.json' }, { name: 'h', content: NAMED }],
    },
    {
      what: 'a link in its place',
      entries: [
        { name: 'm', content: NAMED },
        { name: 'manifest.json', type: 'symlink', linkname: 'm' },
        { ...MANIFEST, content: '[]' },
      ],
    },
    { what: 'a directory in its place', entries: [MANIFEST, { name: 'manifest.json/x', content: NAMED }] },
    {
      what: 'a name that leads out',
      entries: [MANIFEST, { name: '../manifest.json', content: NAMED }, { name: 'a/../..', type: 'directory' }],
    },
    { what: 'a device', entries: [MANIFEST, { name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 }] },
    {
      what: 'a member of the prototype',
      entries: [{ ...MANIFEST, content: '[{"__proto__":{"Config":"c","Layers":[],"RepoTags":["a:b"]}}]' }],
    },
  ];
  it.each(HOSTILE)('says no name in another way: $what', async ({ entries }) => {
    const { code, entries: out } = await pass(await tarOf(entries));
    // As long as it is one it is the one that was written here; nothing else can be taken for it.
    if (code !== 0) return expect(code).toBe(3);
    expect(out.filter((entry) => entry.startsWith('manifest.json'))).toEqual([UNNAMED]);
    expect(out.filter((entry) => / symlink |^d|^h|^\.\.|^sda/.test(entry))).toEqual([]);
  });

  it('leaves out what lies behind a link', async () => {
    const archive = await tarOf([
      { name: 'd', type: 'symlink', linkname: 'l' },
      { name: 'd/layer.tar', content: 'other' },
      { name: 'd/e', type: 'symlink', linkname: '../c.json' },
      LAYER,
      MANIFEST,
    ]);
    expect((await pass(archive)).entries).toEqual(['d symlink l', 'l/layer.tar: layer', UNNAMED]);
  });

  it('is told from the tar of a root file system', async () => {
    const root: Entry[] = [
      { name: 'bin/busybox', content: 'x' },
      { name: 'bin/sh', type: 'symlink', linkname: '/bin/busybox' },
      { name: 'lib', type: 'symlink', linkname: 'usr/lib' },
    ];
    for (const entries of [root, [], [...root, { name: 'index.json', content: '{"name": "an application"}' }]])
      expect((await pass(await tarOf(entries))).code).toBe(3);
    const many = Array.from({ length: 11_000 }, (_, index) => ({ name: `f${index}`, content: '' }));
    expect((await pass(await tarOf(many))).code).toBe(3);
  });

  it('is refused when it is cut short or no tar, with a reason', async () => {
    const archive = await tarOf([CONFIG, { name: 'l/layer.tar', content: 'x'.repeat(100_000) }, MANIFEST]);
    for (const input of [archive.subarray(0, 50_000), gzipSync(archive).subarray(0, 100), Buffer.alloc(5000, 'no tar')]) {
      const { code, said } = await pass(input);
      expect([code, said]).toEqual([1, expect.stringMatching(/^the image archive cannot be read: .+\n$/)]);
    }
  });

  it('needs little memory, however long it says that its parts are', async () => {
    const header = (type: string, size: string): Buffer => {
      const block = Buffer.alloc(512);
      block.write('x', 0);
      block.write(size, 124, 'latin1');
      block.write(`        ${type}`, 148, 'latin1');
      block.write('ustar\x0000', 257, 'latin1');
      const sum = block.reduce((total, byte) => total + byte, 0);
      block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
      return block;
    };
    for (const type of ['x', 'g', 'L', 'K']) {
      const child = spawn(program, words, { stdio: ['pipe', 'ignore', 'ignore'] });
      const ended = once(child, 'exit') as Promise<[number | null]>;
      child.stdin.on('error', () => undefined);
      child.stdin.write(header(type, '77777777777\0'));
      const chunk = Buffer.alloc(1 << 20, 'y');
      const isTaken = (): Promise<boolean> => new Promise((resolve) => child.stdin.write(chunk, (error) => resolve(!error)));
      let sent = 0;
      while (sent < 100 && (await Promise.race([isTaken(), ended.then(() => false)]))) sent += 1;
      child.stdin.end();
      expect([type, await ended, sent < 100]).toEqual([type, [1, null], true]);
    }
  });
});
