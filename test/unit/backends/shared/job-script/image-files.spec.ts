import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';
import { type FakeJob, runFake } from './fake-engine';

const ID = 'a'.repeat(64);
const request = { executors: [{ command: ['x'] }] };
/** Nothing is there before it was tagged. */
const unknown = { 'image-inspect': '[ -e "$FAKE/tagged" ] || exit 1', tag: 'echo "$2 $3" >"$FAKE/tagged"' };
const load = `cat >"$FAKE/read"; echo "Loaded image: sha256:${ID}"`;
const unname = 'sed s/name/-/; exit 0';

interface Row extends Partial<FakeJob> {
  readonly what: string;
  readonly error: RegExp;
  readonly retryable: boolean;
}

const rows: readonly Row[] = [
  {
    what: 'what takes the names out says that it is no archive that can be read',
    faults: { ...unknown, load, 'tool-unname': 'echo "cut short" >&2; exit 1' },
    error: /cannot be had: cut short/,
    retryable: false,
  },
  {
    what: 'load fails',
    faults: { ...unknown, load: 'cat >/dev/null; echo "no space" >&2; exit 1', 'tool-unname': unname },
    error: /fetching .* failed: no space/,
    retryable: true,
  },
  {
    what: 'load hangs',
    faults: { ...unknown, load: 'exec sleep 60', 'tool-unname': unname },
    plan: 'FETCH_LIMIT=1',
    error: /took too long/,
    retryable: true,
  },
  {
    what: 'load says a name: it has set one',
    faults: { ...unknown, load: 'cat >/dev/null; echo "Loaded image: alpine:latest"', 'tool-unname': unname },
    error: /does not say which image/,
    retryable: true,
  },
  {
    what: 'the file is changed while it is read',
    faults: { ...unknown, load: `${load}; echo more >>"$FAKE/../image"`, 'tool-unname': unname },
    error: /changed while it was read/,
    retryable: true,
  },
  { what: 'tag fails', faults: { ...unknown, load, tag: 'exit 1', 'tool-unname': unname }, error: /fetching .* failed/, retryable: true },
  {
    what: 'import fails',
    faults: { ...unknown, import: 'echo broken >&2; exit 1', 'tool-unname': 'exit 3' },
    error: /fetching .* failed: broken/,
    retryable: true,
  },
  {
    what: 'the engine does not answer',
    faults: { ...unknown, load: 'exit 1', ps: 'exit 1', 'tool-unname': unname },
    error: /did not answer/,
    retryable: true,
  },
];

describe('an image file, in the job script of docker and podman', () => {
  const directory = temporaryDirectory('image-file');
  const run = (job: Partial<FakeJob>) => {
    writeFileSync(join(directory(), 'image'), 'the name');
    return runFake(directory(), { request, imageFile: join(directory(), 'image'), ...job });
  };

  it.each(rows)('$what', async ({ what: _what, error, retryable, ...job }) => {
    const ended = await run(job);
    expect(ended).toMatchObject({ ending: 'prepare', retryable });
    expect(ended.error).toMatch(error);
    expect(ended.calls.filter((call) => /^(run|create)/.test(call))).toEqual([]);
  });

  it('is loaded without its names, then named by its content alone', async () => {
    const ended = await run({ faults: { ...unknown, load, 'tool-unname': unname } });
    expect(ended).toMatchObject({ ending: 'succeeded' });
    expect(ended.file('../fake/read')).toBe('the -');
    expect(ended.file('../fake/tagged')).toMatch(new RegExp(`^${ID} localhost/tes-gateway-file:[0-9.]+\n$`));
    expect(ended.calls.filter((call) => /^(load|import)/.test(call))).toEqual(['load load -q']);
  });

  it('is imported as it is when it is a root file system', async () => {
    const ended = await run({ faults: { ...unknown, import: load, 'tool-unname': 'cat; exit 3' } });
    expect(ended).toMatchObject({ ending: 'succeeded' });
    expect(ended.file('../fake/read')).toBe('the name');
  });

  it('is not read again while it is what it was', async () => {
    const ended = await run({ faults: { 'tool-unname': 'exit 1' } });
    expect(ended).toMatchObject({ ending: 'succeeded' });
    expect(ended.calls.filter((call) => /^(load|import|tag)/.test(call))).toEqual([]);
  });

  it('that is a directory is imported, and not when some of it cannot be read', async () => {
    const sandbox = join(directory(), 'sandbox');
    mkdirSync(sandbox);
    writeFileSync(join(sandbox, 'who'), 'x');
    const faults = { ...unknown, import: `tar -t >"$FAKE/read"; echo ${ID}` };
    expect(await run({ imageFile: sandbox, faults })).toMatchObject({ ending: 'succeeded' });
    const again = join(directory(), 'again');
    mkdirSync(again);
    const ended = await runFake(again, {
      request,
      imageFile: sandbox,
      faults: {
        ...faults,
        'tool-tar': 'case $* in *-c*) /bin/tar "$@"; echo unreadable >&2; exit 2 ;; esac',
      },
    });
    expect(ended).toMatchObject({ ending: 'prepare', retryable: true });
    expect(ended.error).toContain('unreadable');
  });
});
