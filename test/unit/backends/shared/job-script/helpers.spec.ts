import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';
import { type FakeJob, runFake } from './fake-engine';

const inRoot = { outputs: [{ path: '/out', url: 'file:///x', type: 'FILE' as const }], executors: [{ command: ['x'] }] };
const wild = { outputs: [{ path: '/*.txt', path_prefix: '/', url: 'file:///x', type: 'FILE' as const }], executors: [{ command: ['x'] }] };
const inTree = { outputs: [{ path: '/o/out', url: 'file:///x', type: 'FILE' as const }], executors: [{ command: ['x'] }] };
const streamed = { executors: [{ command: ['x'], stdout: '/o/said' }] };
const stdin = { inputs: [{ path: '/w/in', url: 'file:///y', type: 'FILE' as const }], executors: [{ command: ['x'], stdin: '/w/in' }] };
const half = 'for target; do :; done; echo half >"$target"; exit 1';
/** Only for copies out of the container, or into it. */
const out = (what: string): string => `case $2 in *:*) ${what} ;; esac`;
const into = (what: string): string => `case $2 in *:*) ;; *) ${what} ;; esac`;

/** Each is the system's, to be tried again, and leaves no half file where an output would be. */
const rows: readonly (FakeJob & { readonly what: string; readonly error: RegExp; readonly absent?: string })[] = [
  { what: 'diff fails', request: wild, faults: { diff: 'exit 125' }, error: /could not copy/ },
  {
    what: 'diff tells a name in / with a line break, which cannot be told from two',
    request: wild,
    faults: { diff: 'printf "C /tmp\\nA /tmp/x\\ny\\nA /a\\nb.txt\\n"; exit 0' },
    error: /could not copy files for executor 0: a name in \/ that begins with a holds a line break/,
  },
  {
    what: 'cp of what is named in / fails',
    request: inRoot,
    program: 'echo x >out',
    faults: { cp: out('exit 1') },
    error: /could not copy/,
  },
  {
    what: 'cp of what is named in / writes half',
    request: inRoot,
    program: 'echo x >out',
    faults: { cp: out('echo half >copied/out; exit 1') },
    error: /could not copy/,
    absent: 'trees/root/out',
  },
  {
    what: 'cp of what is named in / is killed',
    request: inRoot,
    program: 'echo x >out',
    faults: { cp: out('kill -9 $$') },
    error: /could not copy/,
  },
  {
    what: 'cp of what is named in / hangs',
    request: inRoot,
    program: 'echo x >out',
    faults: { cp: out('exec sleep 60') },
    plan: 'COPY_LIMIT=1',
    error: /took too long/,
  },
  { what: 'cp into / fails', request: inRoot, faults: { cp: into('exit 1') }, error: /could not copy/ },
  { what: 'cp out of a tree fails', request: inTree, asRoot: false, faults: { cp: out('exit 1') }, error: /could not copy/ },
  { what: 'cp into a tree fails', request: inTree, asRoot: false, faults: { cp: into('exit 1') }, error: /could not copy/ },
  {
    what: 'cp out of a tree breaks off',
    request: inTree,
    asRoot: false,
    program: 'head -c 100000 /dev/zero >o/out',
    faults: { cp: out('tar -C "$FAKE/container/o" -cf - . | head -c 20000; exit 1') },
    error: /could not copy/,
    absent: 'trees/0/out',
  },
  {
    what: 'tar writes half and reads on',
    request: inTree,
    asRoot: false,
    program: 'echo whole >o/out',
    faults: { 'tool-tar': 'case $* in *-x*) echo half >copied/out; cat >/dev/null; exit 2 ;; esac' },
    error: /could not copy/,
    absent: 'trees/0/out',
  },
  {
    what: 'the copy of a stream is written by half',
    request: streamed,
    faults: { 'tool-ln': 'exit 1', 'tool-cp': `[ $# -ne 2 ] || { ${half}; }` },
    error: /could not be written to its path/,
    absent: 'trees/0/said',
  },
  {
    what: 'the copy of stdin is written by half',
    request: stdin,
    trees: { '1/in': 'x' },
    faults: { 'tool-cp': half },
    error: /could not be moved/,
  },
  {
    what: 'what an image brings comes by half',
    request: inTree,
    faults: { cp: out('echo broken >&2; exit 1') },
    error: /could not copy files for executor 0: broken/,
  },
  {
    what: 'pull fails',
    request: streamed,
    faults: { 'image-inspect': 'exit 1', pull: 'echo reset >&2; exit 1' },
    error: /fetching .*: reset/,
  },
  {
    what: 'pull hangs',
    request: streamed,
    faults: { 'image-inspect': 'exit 1', pull: 'exec sleep 60' },
    plan: 'FETCH_LIMIT=1',
    error: /took too long/,
  },
  {
    what: 'create hangs',
    request: inRoot,
    faults: { create: 'case $* in *-image*) ;; *) exec sleep 60 ;; esac' },
    plan: 'FETCH_LIMIT=1',
    error: /creating the container .* took too long/,
  },
  {
    what: 'create of a container of which only the files are looked at hangs',
    request: inTree,
    faults: { create: 'exec sleep 60' },
    plan: 'FETCH_LIMIT=1',
    error: /creating the container .* took too long/,
  },
  {
    what: 'run hangs before there is a container',
    request: streamed,
    faults: { run: 'exec sleep 60' },
    plan: 'FETCH_LIMIT=1',
    error: /creating the container .* took too long/,
  },
  {
    what: 'run hangs before the program is started',
    request: streamed,
    faults: { run: 'exec sleep 60' },
    state: 'created 0 false ',
    plan: 'FETCH_LIMIT=1',
    error: /creating the container .* took too long/,
  },
  {
    what: 'the engine does not answer',
    request: streamed,
    faults: { 'image-inspect': 'exit 1', pull: 'exit 1', ps: 'exit 1' },
    error: /did not answer/,
  },
];

describe('helpers of the job script', () => {
  const directory = temporaryDirectory('helpers');

  it.each(rows)('$what', async (row) => {
    const ended = await runFake(directory(), row);
    expect(['broken', 'prepare']).toContain(ended.ending);
    expect(ended.error).toMatch(row.error);
    expect(ended.retryable).toBe(true);
    if (row.absent !== undefined) expect(ended.file(row.absent)).toBeUndefined();
  });

  it('copies what is named in / without asking what is new', async () => {
    const ended = await runFake(directory(), { request: inRoot, program: 'echo x >out', faults: { diff: 'exit 125' } });
    expect(ended).toMatchObject({ ending: 'succeeded' });
    expect(ended.file('trees/root/out')).toBe('x\n');
    expect(ended.calls.filter((call) => call.startsWith('diff'))).toEqual([]);
  });

  it('copies into and out of a tree whose name holds a colon', async () => {
    const request = { outputs: [{ path: '/o/k:1/out', url: 'file:///x', type: 'FILE' as const }], executors: [{ command: ['x'] }] };
    const ended = await runFake(directory(), { request, asRoot: false, program: 'echo x >o/k:1/out' });
    expect([ended.error, ended.file('trees/1/out') ?? ended.file('trees/0/out')]).toEqual([undefined, 'x\n']);
  });

  it('lets inputs win over what the image brings, of whatever kind both are', async () => {
    const image = 'cd "$FAKE/container/o"; mkdir a b; echo image | tee a/x b/x c d e >/dev/null; cd ../..';
    const ended = await runFake(directory(), {
      request: inTree,
      trees: { '0/a': 'input', '0/c': 'input' },
      links: { '0/b': '/etc', '0/d': '/nowhere' },
      faults: { create: image },
    });
    expect(ended.error).toBeUndefined();
    expect(['a', 'c', 'e'].map((name) => ended.file(`trees/0/${name}`))).toEqual(['input', 'input', 'image\n']);
    expect(['b', 'd'].map((name) => readlinkSync(join(directory(), 'job/trees/0', name)))).toEqual(['/etc', '/nowhere']);
  });

  describe('podman, whose command missed the last of the streams of a program with a stdin', () => {
    const logs = 'echo first; echo last; echo one >&2; exit 0';
    const run = (faults: FakeJob['faults'], more: object = {}) => {
      const request = { ...stdin, executors: [{ command: ['x'], stdin: '/w/in', stdout: '/w/out', stderr: '/w/err', ...more }] };
      return runFake(directory(), {
        runtime: 'podman',
        request,
        trees: { '1/in': 'x' },
        program: 'echo first; echo one >&2',
        ...(faults && { faults }),
      });
    };

    it('takes them as its watcher has them, which are whole', async () => {
      const ended = await run({ logs });
      expect([ended.error, ended.file('trees/1/out'), ended.file('trees/1/err')]).toEqual([undefined, 'first\nlast\n', 'one\n']);
      expect(ended.file('streams/0.stdout')).toBe('first\nlast\n');
    });

    it('takes both from one where they go into one file', async () => {
      const ended = await run({ logs }, { stderr: '/w/out' });
      expect([ended.error, ended.file('trees/1/out')]).toEqual([undefined, 'first\nlast\none\n']);
    });

    it('leaves longer ones as they are', async () => {
      const ended = await run({ logs: 'exit 0' });
      expect([ended.error, ended.file('trees/1/out')]).toEqual([undefined, 'first\n']);
    });

    it.each(['exit 1', 'echo half; exit 1'])('is tried again when its watcher has no account: %s', async (fault) => {
      expect(await run({ logs: fault })).toMatchObject({
        ending: 'broken',
        retryable: true,
        error: expect.stringMatching(/could not copy/) as string,
      });
    });
  });

  it('does not mind line breaks in names of which nobody asked', async () => {
    const diff = 'printf "C /tmp\\nA /tmp/x\\ny\\nA /a.txt\\n"; exit 0';
    const ended = await runFake(directory(), { request: wild, program: 'echo x >a.txt', faults: { diff } });
    expect([ended.error, ended.file('trees/root/a.txt')]).toEqual([undefined, 'x\n']);
  });

  it('ends what an executor has left, and waits for it, before its streams are placed', async () => {
    const plan = [
      'may_leave() { return 0; }',
      'left_behind() { read -r pid <"$FAKE/container/pid"',
      'if { read -r number name state parent rest <"/proc/$pid/stat"; } 2>/dev/null; then echo "$pid:$parent"; else ls trees/0 >"$FAKE/placed"; fi; }',
    ];
    const ended = await runFake(directory(), {
      request: streamed,
      program: 'sleep 600 >/dev/null 2>&1 & echo $! >pid',
      plan: plan.join('\n'),
    });
    expect(ended).toMatchObject({ ending: 'succeeded', codes: [0] });
    expect([ended.file('../fake/placed'), ended.file('trees/0/said')]).toEqual(['', '']);
  });

  it('leaves out what is named in / and is not there, and removes what the program removed', async () => {
    const request = { ...inRoot, inputs: [{ path: '/in', url: 'file:///y', type: 'FILE' as const }] };
    const ended = await runFake(directory(), { request, program: 'rm in', trees: { 'root/in': 'x' } });
    expect(ended).toMatchObject({ ending: 'succeeded' });
    expect([ended.file('trees/root/in'), ended.file('trees/root/out')]).toEqual([undefined, undefined]);
  });

  it('moves the streams of the last executor and copies those of the others', async () => {
    const executors = ['/o/first', '/o/second'].map((stdout) => ({ command: ['x'], stdout }));
    const ended = await runFake(directory(), {
      request: { executors },
      program: 'echo said',
      faults: { 'tool-cp': '[ $# -ne 2 ] || echo "$1" >>"$FAKE/copies"' },
    });
    expect(ended).toMatchObject({ ending: 'succeeded', codes: [0, 0] });
    for (const name of ['trees/0/first', 'trees/0/second', 'streams/1.stdout']) expect(ended.file(name)).toBe('said\n');
    expect(ended.file('../fake/copies')).toBe('streams/0.stdout\n');
  });

  it.each([
    ['exit 137', /^$/],
    ['kill -KILL $$', /Killed/],
  ])("tells a runtime's process that a signal has ended from one that ends with such a code: %s", async (fault, words) => {
    expect((await runFake(directory(), { request: streamed, faults: { run: fault } })).file('signalled')).toMatch(words);
  });

  it('waits for a stream that its disk takes slowly, and cuts nothing off', async () => {
    const slow = 'case $(readlink /proc/$$/fd/1) in */0.stdout) IFS= read -r line; sleep 4; printf "%s\\n" "$line" ;; esac';
    const ended = await runFake(directory(), {
      request: streamed,
      program: 'echo one; echo two',
      faults: { 'tool-cat': slow },
      plan: 'PIPED=1',
    });
    expect(ended).toMatchObject({ ending: 'succeeded', codes: [0] });
    expect(ended.file('trees/0/said')).toBe('one\ntwo\n');
  });

  it.each(['running 0 false ', 'no answer'])('lets a program that has begun take its time (%s)', async (state) => {
    const began = 'echo exited 0 false >"$FAKE/state"; exit 0';
    const ended = await runFake(directory(), {
      request: streamed,
      seconds: 60,
      faults: { run: `sleep 3; ${began}`, ...(state === 'no answer' && { ps: 'exit 1' }) },
      ...(state !== 'no answer' && { state }),
      plan: 'FETCH_LIMIT=1',
    });
    expect([ended.ending, ended.codes]).toEqual(['succeeded', [0]]);
  });

  it('counts the time of the program alone', async () => {
    const slow = { create: 'sleep 1.5', cp: 'sleep 1.5' };
    const ended = await runFake(directory(), { request: inRoot, program: 'echo x >out', faults: slow, seconds: 1 });
    expect(ended).toMatchObject({ ending: 'succeeded', codes: [0] });
    expect(ended.file('trees/root/out')).toBe('x\n');
  });

  it.each(['docker', 'podman'] as const)('keeps the time limit where no process can be started any more (%s)', async (runtime) => {
    // As a shell ends that cannot fork.
    const ended = await runFake(directory(), {
      runtime,
      request: streamed,
      program: 'echo said; exec sleep 60',
      seconds: 1,
      plan: 'end_executor() { exit 2; }',
      state: 'running 0 false ',
      faults: { kill: 'echo "exited 137 false " >"$FAKE/state"' },
    });
    expect(ended).toMatchObject({ ending: 'timeout', codes: [137], error: undefined });
  });

  it('counts the time of all executors together', async () => {
    const executors = Array.from({ length: 4 }, () => ({ command: ['x'] }));
    const ended = await runFake(directory(), { request: { executors }, program: 'exec sleep 0.7', seconds: 1 });
    expect(ended).toMatchObject({ ending: 'timeout' });
    expect(ended.codes).toHaveLength(2);
  });
});
