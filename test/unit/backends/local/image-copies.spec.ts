import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ImageCopies } from '../../../../src/backends/local/image-copies';
import { LocalClient } from '../../../../src/backends/local/local.client';
import { temporaryDirectory } from '../temporary-directory';

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
const never = new AbortController().signal;

describe('copies of images that nobody uses any more', () => {
  const directory = temporaryDirectory('image-copies');
  const inImages = (...names: string[]): string => join(directory(), 'images', ...names);
  const put = (ageMs: number, ...names: string[]): void => {
    mkdirSync(join(inImages(...names), '..'), { recursive: true });
    writeFileSync(inImages(...names), '');
    const at = new Date(Date.now() - ageMs);
    utimesSync(inImages(...names), at, at);
  };
  let now = Date.now();
  /** What the engine answers when it is asked for an image after its removal. */
  const answer = (script: string): void => {
    mkdirSync(join(directory(), 'bin'), { recursive: true });
    const text = `#!/bin/sh\n[ "$1" = images ] || { echo "$2" >>${join(directory(), 'asked')}; exit 1; }\n${script}\n`;
    writeFileSync(join(directory(), 'bin', 'docker'), text, { mode: 0o755 });
  };
  const asked = (): readonly string[] => {
    const path = join(directory(), 'asked');
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  };
  const copiesHere = (): ImageCopies => {
    const client = new LocalClient({ PATH: `${join(directory(), 'bin')}:${process.env['PATH']}` });
    return new ImageCopies(client, inImages(), () => now);
  };

  beforeEach(() => {
    answer('true');
    now = Date.now();
  });

  it('go after a week: the file, or the name of the engine; what is used stays, and so does what came from a registry', async () => {
    for (const [name, age] of [
      ['1.2.old', 8],
      ['1.3.new', 6],
    ] as const) {
      put(age * DAY_MS, 'apptainer', `${name}.used`);
      put(30 * DAY_MS, 'apptainer', `${name}.sif`);
      put(age * DAY_MS, 'docker', `${name}.used`);
    }
    put(90 * DAY_MS, 'apptainer', 'abcdef.sif');
    await copiesHere().sweep(never);
    expect(readdirSync(inImages('apptainer')).sort()).toEqual(['1.3.new.sif', '1.3.new.used', 'abcdef.sif']);
    expect([asked(), readdirSync(inImages('docker'))]).toEqual([['localhost/tes-gateway-file:1.2.old'], ['1.3.new.used']]);
  });

  it('go without the mark of an image that one login brought: who may have it is asked again', async () => {
    put(8 * DAY_MS, 'docker', 'abcdef', 'may.ann');
    put(DAY_MS, 'docker', 'abcdef', 'may.bob');
    mkdirSync(inImages('docker', 'abcdef', 'private'));
    const at = new Date(Date.now() - 90 * DAY_MS);
    utimesSync(inImages('docker', 'abcdef', 'private'), at, at);
    await copiesHere().sweep(never);
    expect(readdirSync(inImages('docker', 'abcdef')).sort()).toEqual(['may.bob', 'private']);
  });

  it('are asked for again while a container needs them, and after an engine that did not answer', async () => {
    put(8 * DAY_MS, 'docker', '1.2.used');
    answer('echo 0123');
    const copies = copiesHere();
    await copies.sweep(never);
    now += 7 * HOUR_MS;
    answer('echo away >&2; exit 1');
    await expect(copies.sweep(never)).rejects.toThrow('away');
    answer('true');
    await copies.sweep(never);
    expect([asked().length, readdirSync(inImages('docker'))]).toEqual([3, []]);
  });

  it('stay when a job takes one up while those before it are removed', async () => {
    put(8 * DAY_MS, 'docker', '1.2.used');
    put(8 * DAY_MS, 'docker', '1.3.used');
    const text = `#!/bin/sh\n[ "$1" = images ] || { echo "$2" >>${join(directory(), 'asked')} && touch ${inImages('docker')}/*.used; }\n`;
    writeFileSync(join(directory(), 'bin', 'docker'), text, { mode: 0o755 });
    await copiesHere().sweep(never);
    expect([asked().length, readdirSync(inImages('docker')).length]).toEqual([1, 1]);
  });

  it('are looked at every few hours', async () => {
    const copies = copiesHere();
    await copies.sweep(never);
    put(8 * DAY_MS, 'docker', '1.2.used');
    now += HOUR_MS;
    await copies.sweep(never);
    expect(asked()).toEqual([]);
    now += 6 * HOUR_MS;
    await copies.sweep(never);
    expect(asked()).toHaveLength(1);
  });

  it('go with what was learnt of images long ago, and with what a killed job left half made', async () => {
    put(8 * DAY_MS, 'docker', 'a'.repeat(64), 'old');
    put(DAY_MS, 'docker', 'a'.repeat(64), 'new');
    put(2 * DAY_MS, 'apptainer', '1.2.sif.tes-abc-1');
    put(HOUR_MS, 'apptainer', '1.3.sif.tes-abc-1');
    await copiesHere().sweep(never);
    expect(readdirSync(inImages('docker', 'a'.repeat(64)))).toEqual(['new']);
    expect(readdirSync(inImages('apptainer'))).toEqual(['1.3.sif.tes-abc-1']);
  });
});
