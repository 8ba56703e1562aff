import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';

const parts = join(__dirname, '../../../../../src/backends/shared/runtimes');

describe('image files, in the job script', () => {
  const directory = temporaryDirectory('image-files');

  /** Runs shell text after the functions of the runtime, in the directory. */
  const shell = (runtime: 'apptainer' | 'containers', text: string, ...args: string[]): string => {
    const preamble = `set -uf; . "${parts}/image-files.sh"; . "${parts}/${runtime}.sh"; watch= JOB=job; note() { echo "$1 $2"; }; blame() { echo "blame $1"; return 1; }; mkdir -p streams`;
    const { stdout, stderr } = spawnSync('sh', ['-c', `${preamble}; ${text}`, 'sh', ...args], { cwd: directory(), encoding: 'utf8' });
    return (stdout + stderr.replaceAll(/^.*(cannot|can't) open.*\n/gm, '')).trim();
  };
  const at = (...names: string[]): string => join(directory(), ...names);

  it('count by where they lie when they are open: a link leads out of no directory', () => {
    for (const name of ['allowed', 'other', 'allowed-too']) mkdirSync(at(name));
    for (const name of ['allowed/a.sif', 'other/b.sif', 'allowed-too/c.sif']) writeFileSync(at(name), '');
    symlinkSync(at('other', 'b.sif'), at('allowed', 'link.sif'));
    symlinkSync(at('allowed'), at('alias'));
    spawnSync('mkfifo', [at('allowed', 'fifo')]);
    const open = (image: string, ...places: string[]): string =>
      shell('apptainer', 'open_image "$@" && echo "$opened" || echo refused', at(image), ...places.map((place) => at(place)));
    expect(open('allowed/a.sif', 'allowed')).toBe(at('allowed', 'a.sif'));
    expect(open('alias/a.sif', 'alias')).toBe(at('allowed', 'a.sif'));
    expect(open('other/b.sif', 'allowed', 'other')).toBe(at('other', 'b.sif'));
    expect(shell('apptainer', 'open_image "$1" / && echo "$opened"', at('other/b.sif'))).toBe(at('other', 'b.sif'));
    for (const image of ['allowed/link.sif', 'allowed/none.sif', 'other/b.sif', 'allowed-too/c.sif', 'allowed/fifo', 'allowed'])
      expect([image, open(image, 'allowed')]).toEqual([image, 'refused']);
    expect(open('allowed/a.sif')).toBe('refused');
  });

  it('are another image once anything of them has changed, also where the time of change is set back', () => {
    writeFileSync(at('a'), 'one');
    utimesSync(at('a'), 1, 1);
    const identity = (): string => shell('apptainer', 'open_image "$1" / && identity_of_image && echo "$identity"', at('a'));
    const first = identity();
    expect(first).toMatch(/^[0-9.]+$/);
    expect(identity()).toBe(first);
    writeFileSync(at('a'), 'two');
    utimesSync(at('a'), 1, 1);
    expect(identity()).not.toBe(first);
  });

  const bring = (image: string, root: 0 | 1, own = 0, more = ''): string =>
    shell(
      'apptainer',
      `ROOT=${root} IMAGES=${at('images')}; open_0() { open_image "${at(image)}" "${at()}"; }; ${more}
       bring_image 0 ${own}; cat streams/0.engine`,
    );

  it('are mounted by root, copied by others, and used in place only where the settings name them', () => {
    writeFileSync(at('a.sif'), 'SIF');
    mkdirSync(at('sandbox'));
    chmodSync(directory(), 0o777);
    for (const image of ['a.sif', 'sandbox']) {
      expect(bring(image, 1)).toBe(at('image'));
      expect(bring(image, 1, 1)).toBe(at(image));
      expect(bring(image, 0, 1)).toBe(at(image));
    }
    const copy = bring('a.sif', 0);
    expect(copy).toMatch(new RegExp(`^${at('images')}/[0-9.]+\\.sif$`));
    expect(bring('a.sif', 0)).toBe(copy);
    expect(readdirSync(at('images')).filter((file) => file.endsWith('.sif'))).toHaveLength(1);
    expect(bring('sandbox', 0)).toMatch(/^noimage 0\nothers could replace this directory/);
  });

  it('are used in place by a gateway that is not root where only root can change the way to them', () => {
    const firm = (path: string): string => shell('apptainer', 'open_image "$1" / && is_firm "$opened" && echo firm || echo not', path);
    expect(firm('/usr/bin/env')).toBe('firm');
    writeFileSync(at('a.sif'), '');
    expect(firm(at('a.sif'))).toBe('not');
  });

  it('are refused when they changed while they were copied', () => {
    writeFileSync(at('a.sif'), 'SIF');
    chmodSync(directory(), 0o777);
    const said = bring('a.sif', 0, 0, `cp() { command cp "$@" && echo more >>"${at('a.sif')}"; }`);
    expect(said).toContain('blame pull');
    expect(said).toContain('changed while it was read');
    expect(readdirSync(at('images')).filter((file) => !file.endsWith('.used'))).toEqual([]);
  });

  it('are mounted as what was opened, or not at all', () => {
    mkdirSync(at('place'));
    writeFileSync(at('place', 'a'), 'right');
    writeFileSync(at('wrong'), 'wrong');
    writeFileSync(at('image'), '');
    const enter = (more: string): string => {
      const opener = `open_0() { open_image "${at('place', 'a')}" "${at('place')}"; ${more}; }`;
      return shell('apptainer', `image=$PWD/image; ${opener}; (enter 0 cat image 2>&1); echo " $?"`);
    };
    // A mount table of its own takes root.
    if (process.getuid?.() === 0) expect(enter(':')).toBe('right 0');
    expect(enter(`mv ${at('place', 'a')} ${at('moved')}; ln -s ${at('wrong')} ${at('place', 'a')}`)).toMatch(
      /^the image was replaced .*\n 255$|^the image file is not .*\n 255$/,
    );
    expect(existsSync(at('moved'))).toBe(true);
    expect(enter('false')).toBe('the image file is not where it was\n 255');
  });
});
