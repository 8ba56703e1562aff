import { ActiveLimits } from '../../../src/engine/active-limits';
import { QueueView } from '../../../src/engine/queue-view';
import type { Candidate } from '../../../src/engine/select-backend';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { newStore } from '../../support/life';
import { NEEDS, queuedTask } from '../../support/records';
import { ScriptedBackend } from '../../support/scripted-backend';

const CAPABILITIES = new ScriptedBackend().capabilities();

function candidate(name: string, cores: number, boundToInstance = false): Candidate {
  const capacity = { cpuCores: 4, ramGb: 16 };
  return { name, capabilities: { ...CAPABILITIES, capacity, boundToInstance }, used: { cpuCores: 4 - cores, ramGb: 0, slots: 1 } };
}

describe('the view of the queue', () => {
  let store: TaskStore;
  beforeEach(async () => {
    store = await newStore();
  });
  afterEach(() => store.close());
  const add = (id: string, changes: Partial<typeof NEEDS>, queuedAt = 1): Promise<unknown> =>
    store.insert('{}', queuedTask({ id, queuedAt, needs: { ...NEEDS, ...changes } }));

  it('chooses the oldest first, of whatever class, and counts what it has chosen', async () => {
    await add('one', { cpuCores: 1 });
    await add('big', { cpuCores: 3 });
    await add('other', { cpuCores: 1 });
    await add('last', { cpuCores: 1 });
    const view = new QueueView(store, 1e12, new ActiveLimits(store, {}));
    const { chosen: choices } = await view.choose(await view.classes(), [candidate('a', 4), candidate('b', 1)], 64);
    expect(choices.map(({ task, backend }) => [task.id, backend])).toEqual([
      ['one', 'a'],
      ['big', 'a'],
      ['other', 'b'],
    ]);
    expect((await view.choose(await view.classes(), [candidate('a', 4)], 1)).chosen).toHaveLength(1);
  });

  it('keeps the same shared backend free for a big task, in whatever order a gateway has them, before one of its own', async () => {
    await add('big', { cpuCores: 4 });
    await add('young', { cpuCores: 4, backend: 'b' }, store.now() + 1000);
    const view = new QueueView(store, 0, new ActiveLimits(store, {}));
    const classes = await view.classes();
    const [own, a, b] = [candidate('0', 1, true), candidate('a', 1), candidate('b', 1)];
    for (const order of [
      [own, b, a],
      [a, b, own],
    ]) {
      const held = await view.withHolds(classes, order);
      expect(held.filter(({ heldFor }) => heldFor !== undefined).map(({ name, heldFor }) => [name, heldFor])).toEqual([['a', 'big']]);
    }
    expect(await view.withHolds(classes, [candidate('a', 4), b])).toEqual([candidate('a', 4), b]);
  });

  it('keeps a backend free for the oldest of each class, as long as there is one', async () => {
    for (const backend of ['a', 'b', 'c']) await add(backend, { cpuCores: 4, backend });
    const view = new QueueView(store, 0, new ActiveLimits(store, {}));
    const held = await view.withHolds(await view.classes(), [candidate('a', 1), candidate('b', 1), candidate('c', 4)]);
    expect(held.map(({ heldFor }) => heldFor)).toEqual(['a', 'b', undefined]);
  });
});
