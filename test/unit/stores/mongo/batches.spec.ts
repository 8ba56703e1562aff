import { Batches, type BatchLimits, type Outcome } from '../../../../src/stores/mongo/batches';

/** A server that answers when it is told to, and what it was sent. */
function batchesOf(limits: Partial<BatchLimits> = {}) {
  const sent: { readonly items: readonly number[]; readonly answer: () => void }[] = [];
  const batches = new Batches<number, number>(
    (items) =>
      new Promise<readonly Outcome<number>[]>((resolve) => {
        sent.push({ items, answer: () => resolve(items.map((value) => ({ value: value * 2 }))) });
      }),
    { items: 500, bytes: Infinity, atOnce: 4, ...limits },
  );
  return { batches, sent };
}
const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);
const turns = async (count = 10): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('Batches', () => {
  it('sends the few that one turn asks for as one batch, and gives each its own answer', async () => {
    const { batches, sent } = batchesOf();
    const answers = Promise.all(numbers(16).map((number) => batches.add(number, 0)));
    await turns();
    expect(sent.map(({ items }) => items)).toEqual([numbers(16)]);
    sent[0]?.answer();
    expect(await answers).toEqual(numbers(16).map((number) => number * 2));
  });

  it('divides many among the batches that may be under way, so that the next is made while the server is at work', async () => {
    const { batches, sent } = batchesOf();
    for (const number of numbers(100)) void batches.add(number, 0);
    await turns();
    expect(sent.map(({ items }) => items.length)).toEqual([25, 25, 25, 25]);
    expect(sent.flatMap(({ items }) => items)).toEqual(numbers(100));
  });

  it('lets the next batch grow while none may be sent', async () => {
    const { batches, sent } = batchesOf({ atOnce: 1 });
    void batches.add(0, 0);
    await turns();
    for (const number of numbers(70)) void batches.add(number, 0);
    await turns();
    expect(sent).toHaveLength(1);
    sent[0]?.answer();
    await turns();
    expect(sent.map(({ items }) => items.length)).toEqual([1, 70]);
  });

  it('is drained when everything asked for has its answer', async () => {
    const { batches, sent } = batchesOf({ items: 10, atOnce: 1 });
    for (const number of numbers(20)) void batches.add(number, 0);
    let isDrained = false;
    const drained = batches.drained().then(() => {
      isDrained = true;
    });
    await turns();
    sent[0]?.answer();
    await turns();
    expect([sent.length, isDrained]).toEqual([2, false]);
    sent[1]?.answer();
    await drained;
  });

  it('keeps what has to be apart in one order and never in one batch, whatever is between them', async () => {
    const { batches, sent } = batchesOf();
    void batches.add(1, 0, 'task');
    void batches.add(2, 0, 'other');
    void batches.add(3, 0, 'task');
    await turns();
    expect(sent.map(({ items }) => items)).toEqual([[1, 2]]);
    sent[0]?.answer();
    await turns();
    expect(sent.map(({ items }) => items)).toEqual([[1, 2], [3]]);
  });

  it('settles what was asked for so far, whatever is asked for meanwhile', async () => {
    const { batches, sent } = batchesOf({ atOnce: 2 });
    void batches.add(1, 0);
    await turns();
    let isSettled = false;
    void batches.settled().then(() => (isSettled = true));
    void batches.add(2, 0);
    await turns();
    expect([sent.length, isSettled]).toEqual([2, false]);
    sent[0]?.answer();
    await turns();
    expect(isSettled).toBe(true);
  });
});
