import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../../temporary-directory';
import { type FakeEnded, type FakeJob, runFake } from './fake-engine';

/**
 * A registry that lets in whom `let-in` names by the file of logins, or `all`; and an engine that has images by name. `pulls` has what was
 * asked of the registry, by whom.
 */
const FAULTS = {
  'image-inspect': `for word; do name=$word; done
case $* in *Entrypoint*) ;; *)
  case $name in sha256:*) [ -e "$FAKE/here.id" ] || exit 1 ;; *) [ -e "$FAKE/here.\${name##*/}" ] || exit 1 ;; esac
  echo sha256:abc; exit 0 ;;
esac`,
  'image-ls': '[ ! -e "$FAKE/here.id" ] || echo sha256:abc',
  pull: `who=nobody
[ "\${DOCKER_CONFIG:-}" = "\${DOCKER_CONFIG#*/plan}" ] || read -r who <"$DOCKER_CONFIG/config.json"
[ "\${REGISTRY_AUTH_FILE:-}" = "\${REGISTRY_AUTH_FILE#*/plan}" ] || read -r who <"$REGISTRY_AUTH_FILE"
echo "$3 $who" >>"$FAKE/pulls"
grep -qxF -e "$who" -e all "$FAKE/let-in" || { echo 'denied: requested access to the resource is denied' >&2; exit 1; }
true >"$FAKE/here.\${3##*/}"; true >"$FAKE/here.id"; exit 0`,
  run: 'env >"$FAKE/environment"',
};

describe.each(['docker', 'podman'] as const)('an image that a login of one user brought, under %s', (runtime) => {
  const directory = temporaryDirectory();
  const fake = (name: string): string => join(directory(), 'fake', name);
  const ask = async (owner: string, more: Partial<FakeJob> = {}, image = 'registry.example/private:1'): Promise<FakeEnded> => {
    for (const left of [join(directory(), 'job'), fake('state'), fake('calls')]) rmSync(left, { recursive: true, force: true });
    return runFake(directory(), { runtime, request: { executors: [{ image, command: ['x'] }] }, faults: FAULTS, owner, ...more });
  };
  const letIn = (...who: readonly string[]): void => writeFileSync(fake('let-in'), who.map((one) => `${one}\n`).join(''));
  const pulls = ({ calls }: FakeEnded): number => calls.filter((call) => call.startsWith('pull ')).length;
  const BY_ANN = { login: true } as const;
  const brought = async (): Promise<FakeEnded> => {
    await ask('ann');
    letIn('logins of ann');
    return ask('ann', BY_ANN);
  };

  it('is fetched with it, which no other command sees, and which is not there afterwards', async () => {
    const ended = await brought();
    expect([ended.ending, pulls(ended)]).toEqual(['succeeded', 1]);
    expect(ended.calls.join()).not.toContain('logins of');
    expect(ended.file('plan/config.json')).toBeUndefined();
    expect(ended.file('../fake/environment')).not.toMatch(/config\.json|plan\b/);
  });

  it('is there for its owner without asking again', async () => {
    await brought();
    const again = await ask('ann', BY_ANN);
    expect([again.ending, pulls(again)]).toEqual(['succeeded', 0]);
    const without = await ask('ann');
    expect([without.ending, pulls(without)]).toEqual(['succeeded', 0]);
  });

  it.each(['registry.example/private:1', 'sha256:abc', 'registry.example/copy:1'])(
    'is not there for another whom the registry does not let have it, who names it %s',
    async (image) => {
      await brought();
      writeFileSync(fake('here.copy:1'), '');
      for (const more of [{}, BY_ANN]) {
        const ended = await ask('bob', more, image);
        expect([ended.ending, pulls(ended)]).toEqual(['prepare', 1]);
        expect(ended.calls.join()).not.toMatch(/run |create /);
        expect(ended.error).toContain('denied');
      }
    },
  );

  it('is there for another whom the registry lets have it, and who is not asked for again', async () => {
    await brought();
    letIn('logins of ann', 'logins of bob');
    const ended = await ask('bob', BY_ANN);
    expect([ended.ending, pulls(ended)]).toEqual(['succeeded', 1]);
    letIn('logins of ann');
    const again = await ask('bob', BY_ANN);
    expect([again.ending, pulls(again)]).toEqual(['succeeded', 0]);
    expect((await ask('eve')).ending).toBe('prepare');
  });

  it('is there for everybody once nobody needs a login, each asking once', async () => {
    await brought();
    letIn('all');
    expect([pulls(await ask('bob')), pulls(await ask('bob')), pulls(await ask('eve'))]).toEqual([1, 0, 1]);
  });

  it('that was here before counts as it did', async () => {
    await ask('ann');
    writeFileSync(fake('here.private:1'), '');
    for (const more of [{}, BY_ANN]) {
      const ended = await ask('bob', more);
      expect([ended.ending, pulls(ended)]).toEqual(['succeeded', 0]);
      expect(ended.file('result')).toMatch(/^image \S+ 0 sha256:abc$/m);
    }
  });

  it('is not what other tasks take at its word', async () => {
    const ended = await brought();
    expect(ended.file('result')).not.toMatch(/^image /m);
  });

  it('is marked before it is here, so that a fetch whose end nobody heard of leaves nothing open', async () => {
    await ask('ann');
    letIn('logins of ann');
    const ended = await ask('ann', { ...BY_ANN, faults: { ...FAULTS, pull: FAULTS.pull.replace('; exit 0', '; exit 1') } });
    expect([ended.ending, existsSync(fake('here.private:1'))]).toEqual(['prepare', true]);
    const his = await ask('bob');
    expect([his.ending, pulls(his)]).toEqual(['prepare', 1]);
  });

  it('is not fetched, and not given to others, where images.pull is never', async () => {
    await brought();
    const ended = await ask('bob', { pull: 'never' });
    expect([ended.ending, pulls(ended)]).toEqual(['prepare', 0]);
    expect((await ask('ann', { pull: 'never' })).ending).toBe('succeeded');
  });

  it('is looked for at the registry by every task where images.pull is always', async () => {
    await brought();
    expect(pulls(await ask('ann', { ...BY_ANN, pull: 'always' }))).toBe(1);
    expect((await ask('bob', { pull: 'always' })).ending).toBe('prepare');
  });

  it('that could not be fetched is not marked as that of who tried', async () => {
    await ask('ann');
    letIn('nobody but one');
    expect((await ask('ann', BY_ANN)).ending).toBe('prepare');
    expect(existsSync(join(directory(), 'images', 'abc'))).toBe(false);
    writeFileSync(fake('here.private:1'), '');
    const his = await ask('bob');
    expect([his.ending, pulls(his)]).toEqual(['succeeded', 0]);
  });

  it('is not there by the name that another registry gives it', async () => {
    await brought();
    letIn('all');
    for (const more of [{}, BY_ANN]) {
      const ended = await ask('bob', more, 'evil.example/copy:1');
      expect([ended.ending, ended.error]).toEqual(['prepare', expect.stringContaining('from another registry')]);
    }
    expect((await ask('ann', BY_ANN, 'evil.example/copy:1')).ending).toBe('succeeded');
    expect((await ask('bob')).ending).toBe('succeeded');
    expect((await ask('bob', {}, 'evil.example/copy:1')).ending).toBe('succeeded');
  });

  it('under a name of its own, of an image that was here for all, leaves that to all', async () => {
    await ask('ann');
    letIn('logins of ann');
    for (const here of ['here.id', 'here.tool:1']) writeFileSync(fake(here), '');
    const hers = await ask('ann', BY_ANN);
    expect([hers.ending, pulls(hers)]).toEqual(['succeeded', 1]);
    const his = await ask('bob', {}, 'tool:1');
    expect([his.ending, pulls(his)]).toEqual(['succeeded', 0]);
  });
});
