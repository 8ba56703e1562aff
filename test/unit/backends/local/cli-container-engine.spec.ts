import { CliContainerEngine } from '../../../../src/backends/local/cli-container-engine';
import type { CommandResult, LocalClient } from '../../../../src/backends/local/local.client';

const never = new AbortController().signal;
const WHEN = '2026-01-01 00:00:00.000000000 +0000 UTC';

/** An engine with these containers, of which some cannot be removed. */
function engineWith(names: readonly string[], stuck: readonly string[], hangs = false): { engine: CliContainerEngine; calls: string[] } {
  const calls: string[] = [];
  let left = [...names];
  const command = async ([, verb = '', ...words]: readonly string[]): Promise<CommandResult> => {
    calls.push(verb);
    if (verb === 'ps') return { exitCode: 0, stdout: left.map((name) => `${name} ${name} ${WHEN}\n`).join(''), stderr: '' };
    left = left.filter((name) => stuck.includes(name) || !words.includes(name));
    if (hangs && stuck.some((name) => words.includes(name))) return new Promise(() => undefined);
    return stuck.length === 0 ? { exitCode: 0, stdout: '', stderr: '' } : { exitCode: 1, stdout: '', stderr: 'device or resource busy' };
  };
  return { engine: new CliContainerEngine('podman', { command } as unknown as LocalClient, 'i', 1), calls };
}

describe('removing containers through the command of their engine', () => {
  it('removes those of several jobs with one call', async () => {
    const { engine, calls } = engineWith(['first-0', 'a-0', 'a-1', 'b-0'], []);
    const first = engine.removeJob('first', never);
    expect(await Promise.all([first, ...['a', 'b', 'c'].map((name) => engine.removeJob(name, never))])).toHaveLength(4);
    expect(calls).toEqual(['ps', 'rm', 'ps', 'rm']);
  });

  it('fails only for the job of which a container stays', async () => {
    const { engine } = engineWith(['first-0', 'a-0', 'b-0', 'c-0'], ['b-0']);
    const answers = await Promise.allSettled(['first', 'a', 'b', 'c'].map((name) => engine.removeJob(name, never)));
    expect(answers).toMatchObject([
      { status: 'fulfilled' },
      { status: 'fulfilled' },
      { reason: { publicMessage: 'podman cannot remove a container', retryable: true } },
      { status: 'fulfilled' },
    ]);
  });

  it('holds up no other job with a container whose removal hangs', async () => {
    const { engine, calls } = engineWith(['a-0', 'stuck-0', 'b-0', 'c-0'], ['stuck-0'], true);
    const given = new AbortController();
    const stuck = ['first', 'stuck', 'stuck'].map((name) => engine.removeJob(name, given.signal));
    await Promise.all(['a', 'b'].map((name) => engine.removeJob(name, never)));
    stuck.push(engine.removeJob('stuck', given.signal));
    await engine.removeJob('c', never);
    given.abort(new Error('given up'));
    expect(await Promise.allSettled(stuck)).toMatchObject([{ status: 'fulfilled' }, ...Array(3).fill({ reason: { message: 'given up' } })]);
    // One command hangs, not one for each who waits.
    expect(calls.filter((verb) => verb === 'rm')).toHaveLength(2);
  });
});
