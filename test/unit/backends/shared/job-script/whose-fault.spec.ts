import { temporaryDirectory } from '../../temporary-directory';
import { type FakeJob, runFake } from './fake-engine';

const plain = { executors: [{ command: ['x'] }] };
/** Through `create`, `cp`, `start`. */
const inRoot = { executors: [{ command: ['x'], stdout: '/out.txt' }] };
const MISSING = 'created 127 false exec: "x": executable file not found in $PATH';

interface Row extends FakeJob {
  readonly what: string;
  /** The executor's own exit code, or what the system's error says. */
  readonly code?: number;
  readonly error?: RegExp;
}

const rows: readonly Row[] = [
  { what: 'a program that ends with 3', request: plain, program: 'exit 3', code: 3 },
  { what: 'a program that ends with 125', request: plain, program: 'exit 125', code: 125 },
  { what: 'a program that ends with 127 itself', request: plain, program: 'exit 127', code: 127 },
  { what: 'docker: a missing program', request: plain, faults: { run: 'exit 127' }, state: MISSING, code: 127 },
  { what: 'docker: one that is created and started', request: inRoot, faults: { start: 'exit 1' }, state: MISSING, code: 127 },
  {
    what: 'docker: one that cannot be executed',
    request: inRoot,
    faults: { start: 'exit 1' },
    state: 'created 126 false permission denied',
    code: 126,
  },
  {
    what: 'docker: a refusal of the daemon that the command calls 127',
    request: plain,
    faults: { run: 'echo "Run \'docker run --help\' for more information" >&2; exit 127' },
    state: 'created 128 false error gathering device information: no such file',
    error: /^docker could not start executor 0: error gathering device/,
  },
  {
    what: 'docker: a refusal of the daemon that `start` calls 1',
    request: inRoot,
    faults: { start: 'exit 1' },
    state: 'created 128 false could not select device driver',
    error: /could not start executor 0: could not select device driver/,
  },
  {
    what: 'docker: a container that was never made',
    request: plain,
    faults: { run: "echo 'docker: no such mount.' >&2; echo \"Run 'docker run --help' for more information\" >&2; exit 125" },
    error: /could not start executor 0: docker: no such mount/,
  },
  { what: 'docker: `create` is refused', request: inRoot, faults: { create: 'echo no >&2; exit 1' }, error: /could not create .*: no$/ },
  {
    what: 'podman: a missing program',
    runtime: 'podman',
    request: plain,
    faults: { run: 'exit 127' },
    state: 'created 0 false ',
    code: 127,
  },
  {
    what: 'podman: one that is created and started',
    runtime: 'podman',
    request: inRoot,
    faults: { start: 'echo "Error: x: OCI runtime attempted to invoke a command that was not found" >&2; exit 125' },
    state: 'created 0 false ',
    code: 127,
  },
  {
    what: 'podman: one that cannot be executed',
    runtime: 'podman',
    request: inRoot,
    faults: { start: 'echo "Error: x: permission denied: OCI permission denied" >&2; exit 125' },
    state: 'created 0 false ',
    code: 126,
  },
  {
    what: 'podman: an init that it may not start',
    runtime: 'podman',
    request: plain,
    faults: { init: 'true', run: 'echo "Error: runc: setting rlimits: OCI permission denied" >&2; exit 126' },
    state: 'created 0 false ',
    error: /podman could not start executor 0: Error: runc: setting rlimits/,
  },
  {
    what: 'docker: an init that it may not start',
    request: plain,
    faults: { init: 'true', run: 'exit 126' },
    state: 'created 126 false setting rlimits: permission denied',
    error: /docker could not start executor 0: setting rlimits/,
  },
  {
    what: 'podman: anything else',
    runtime: 'podman',
    request: inRoot,
    faults: { start: 'echo "Error: cgroup" >&2; exit 125' },
    state: 'created 0 false ',
    error: /podman could not start executor 0: Error: cgroup/,
  },
  {
    what: 'a command that was killed while its container runs',
    request: plain,
    faults: { run: 'kill -9 $$' },
    state: 'running 0 false ',
    error: /watcher of its container/,
  },
  {
    what: 'a command that was killed before its container ended well',
    request: plain,
    faults: { run: 'kill -9 $$' },
    state: 'exited 0 false ',
    error: /may be cut short$/,
  },
  {
    what: 'a command that fails by itself when its container has ended well',
    runtime: 'podman',
    request: plain,
    faults: { run: 'exit 126' },
    state: 'stopped 0 false ',
    error: /may be cut short$/,
  },
  {
    what: 'a daemon that is stopped, and kills its containers',
    request: plain,
    faults: { run: 'exit 137', inspect: 'exit 1', ps: 'exit 1' },
    error: /^docker did not answer/,
  },
  {
    what: 'a program that is killed, but not by docker',
    request: plain,
    faults: { run: 'exit 137', events: 'printf "create\\nattach\\nstart\\ndie\\n"' },
    state: 'exited 137 false ',
    code: 137,
  },
  {
    what: 'a container that docker has killed',
    request: plain,
    faults: { run: 'exit 143', events: 'printf "start\\nkill\\ndie\\n"' },
    state: 'exited 143 false ',
    error: /^the container of executor 0 was killed from outside: by docker, which was stopped, or by somebody through it$/,
  },
  {
    what: 'a container of which docker, started again, remembers nothing',
    request: plain,
    faults: { run: 'exit 137' },
    state: 'exited 137 false ',
    error: /^the container of executor 0 was killed from outside/,
  },
  {
    what: 'podman: a program that is killed',
    runtime: 'podman',
    request: plain,
    faults: { run: 'exit 137' },
    state: 'exited 137 false ',
    code: 137,
  },
  { what: 'a container that is dead', request: plain, faults: { run: 'exit 137' }, state: 'dead 137 false ', error: /could not start/ },
];

describe('whose fault it is that an executor ended so', () => {
  const directory = temporaryDirectory('fault');

  it.each(rows)('$what', async (row) => {
    const ended = await runFake(directory(), row);
    if (row.code !== undefined) {
      expect(ended).toMatchObject({ ending: 'failed', codes: [row.code], error: undefined });
    } else {
      expect(ended).toMatchObject({ retryable: true });
      expect(ended.error).toMatch(row.error ?? /never/);
    }
  });

  it('asks the engine nothing of a program that ends well', async () => {
    const { calls, ending } = await runFake(directory(), { request: plain });
    expect(ending).toBe('succeeded');
    expect(calls.map((call) => call.split(' ')[0])).toEqual(['image-inspect', 'run']);
  });

  it('names the limit, and not the engine, when the time is over', async () => {
    const kill = 'echo "exited 137 false " >"$FAKE/state"';
    const ended = await runFake(directory(), {
      request: { executors: [{ command: ['x'], stdout: '/o/said' }] },
      program: 'echo said; exec sleep 60',
      seconds: 1,
      state: 'running 0 false ',
      faults: { stop: 'exit 1', kill },
    });
    expect(ended).toMatchObject({ ending: 'timeout', codes: [137], error: undefined });
    expect(ended.file('trees/0/said')).toBe('said\n');
  });

  it.each([
    ['running 0 false ', '', 'processes of executor 0 could not be ended'],
    ['', 'exit 1', 'docker did not answer'],
  ])('places and stores nothing at a time limit while the container may run (%j)', async (state, ps, error) => {
    const ended = await runFake(directory(), {
      request: { executors: [{ command: ['x'], stdout: '/o/said' }] },
      program: 'echo said; exec sleep 60',
      seconds: 1,
      state,
      faults: { ...(ps && { ps }), ...(state === '' && { inspect: 'exit 1' }) },
    });
    expect(ended).toMatchObject({ ending: 'broken', error, retryable: true });
    expect(ended.file('trees/0/said')).toBeUndefined();
  });

  it('names the ENTRYPOINT of an image in which the program is missing, whatever it holds', async () => {
    const entrypoint = '["python3","a\\ndone 1.0 succeeded\\n"]';
    const ended = await runFake(directory(), { request: plain, faults: { run: 'exit 127' }, state: MISSING, entrypoint });
    expect(ended).toMatchObject({ ending: 'failed', codes: [127] });
    expect(ended.hints).toEqual([expect.stringContaining(`the ENTRYPOINT of localhost/x, ${entrypoint}, is not used`) as string]);
  });
});
