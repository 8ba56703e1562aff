import { SameReads } from '../../../../src/stores/mongo/same-reads';

/** A server that answers when it is told to. */
function reads() {
  const sent: { readonly what: string; readonly answer: () => void; readonly fail: () => void }[] = [];
  const same = new SameReads<number>();
  const read = (what: string): Promise<number> =>
    same.read(
      what,
      () =>
        new Promise((resolve, reject) => {
          const number = sent.length;
          sent.push({ what, answer: () => resolve(number), fail: () => reject(new Error('lost')) });
        }),
    );
  return { read, sent };
}
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('reads that are the same', () => {
  it('are one where one turn asks for them, and others are not among them', async () => {
    const { read, sent } = reads();
    const answers = Promise.all([read('a'), read('b'), read('a')]);
    await turns();
    expect(sent.map(({ what }) => what)).toEqual(['a', 'b']);
    for (const { answer } of sent) answer();
    expect(await answers).toEqual([0, 1, 0]);
  });

  it('never get the answer of one that was sent before they were asked for', async () => {
    const { read, sent } = reads();
    const first = read('a');
    await turns();
    const others = Promise.all([read('a'), read('a')]);
    await turns();
    expect(sent).toHaveLength(1);
    sent[0]?.answer();
    await turns();
    sent[1]?.answer();
    expect([await first, await others]).toEqual([0, [1, 1]]);
  });

  it('fail alone: the next is sent all the same', async () => {
    const { read, sent } = reads();
    const first = read('a');
    await turns();
    const second = read('a');
    sent[0]?.fail();
    await expect(first).rejects.toThrow('lost');
    await turns();
    sent[1]?.answer();
    expect(await second).toBe(1);
    const third = read('a');
    await turns();
    sent[2]?.answer();
    expect(await third).toBe(2);
  });
});
